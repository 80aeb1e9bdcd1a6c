CREATE TABLE shop (id INTEGER PRIMARY KEY, town TEXT, street TEXT, opened INTEGER);
CREATE TABLE butcher (id INTEGER PRIMARY KEY, nm TEXT, dob TEXT, sal INTEGER, shop_id INTEGER REFERENCES shop(id), boss_id INTEGER REFERENCES butcher(id));
CREATE TABLE cut (id INTEGER PRIMARY KEY, descr TEXT, animal TEXT, price_kg REAL);
CREATE TABLE sale (id INTEGER PRIMARY KEY, shop_id INTEGER REFERENCES shop(id), cut_id INTEGER REFERENCES cut(id), butcher_id INTEGER REFERENCES butcher(id), kg REAL, sold_on TEXT);
INSERT INTO shop VALUES (1,'Ripon','North Street 4',1978),(2,'Thirsk','Market Place 11',1996),(3,'Malton','Wheelgate 27',2012),(4,'Ripon','Kirkgate 9',2021);
INSERT INTO butcher VALUES (1,'Frank Dobbs','1961-05-02',41000,1,NULL),(2,'Ivy Lamb','1984-09-17',34000,1,1),(3,'Colin Marsh','1990-12-01',29500,2,1),(4,'Rosa Penn','1979-03-23',35500,2,1),(5,'Ned Sharpe','2002-07-08',23000,2,4),(6,'Alma Trick','1995-01-30',28000,3,4),(7,'Gil Oxley','2004-11-11',NULL,3,6);
INSERT INTO cut VALUES (1,'Sirloin','beef',29.9),(2,'Brisket','beef',13.5),(3,'Pork belly','pork',9.8),(4,'Leg of lamb','lamb',18.4),(5,'Pork loin','pork',12.2),(6,'Chicken thigh','poultry',8.1),(7,'Venison haunch','game',24);
INSERT INTO sale VALUES (1,1,1,2,1.5,'2023-10-02'),(2,1,3,2,3.2,'2023-10-02'),(3,2,2,3,2.4,'2023-10-03'),(4,2,4,4,4.1,'2023-10-05'),(5,3,6,6,1.1,'2023-10-05'),(6,2,1,4,0.8,'2023-10-06'),(7,1,5,1,2.0,'2023-10-06'),(8,3,3,6,5.5,'2023-10-07'),(9,2,3,5,1.9,'2023-10-09'),(10,1,4,2,2.7,'2023-10-10');
