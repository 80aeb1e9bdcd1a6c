CREATE TABLE district (districtcode TEXT PRIMARY KEY, districtname TEXT, areakm2 REAL, coordinator TEXT);
CREATE TABLE station (stationno INTEGER PRIMARY KEY, districtcode TEXT REFERENCES district(districtcode), venue TEXT, street TEXT, stepfree INTEGER, booths INTEGER, opensat TEXT, rentalcost REAL);
CREATE TABLE helper (helperid INTEGER PRIMARY KEY, surname TEXT, forename TEXT, homedistrict TEXT REFERENCES district(districtcode), trainedon TEXT, allowance REAL, haslicence INTEGER, mobile TEXT);
CREATE TABLE assignment (assignmentid INTEGER PRIMARY KEY, helperid INTEGER REFERENCES helper(helperid), stationno INTEGER REFERENCES station(stationno), duty TEXT, hoursplanned INTEGER, confirmed TEXT);
CREATE TABLE material (itemcode TEXT PRIMARY KEY, itemname TEXT, unitweightkg REAL, stockqty INTEGER, reorderlevel INTEGER);
CREATE TABLE delivery (deliveryid INTEGER PRIMARY KEY, stationno INTEGER REFERENCES station(stationno), itemcode TEXT REFERENCES material(itemcode), qty INTEGER, dueon TEXT, deliveredon TEXT, driverid INTEGER REFERENCES helper(helperid));
INSERT INTO district VALUES
('NW','Northwick',18.4,'Audrey Penhale'),('ST','Stanmoor',42.0,'Idris Vaughan'),('HB','Harbourside',9.7,'Bettina Kraus'),('FE','Fenlow',65.3,'Idris Vaughan'),('GL','Glaisdale',31.8,NULL);
INSERT INTO station VALUES
(11,'NW','St Olave Hall','Church Lane 4',1,6,'07:00',120),
(12,'NW','Public Library','Mill Street 19',1,8,'07:00',0),
(21,'ST','Stanmoor School','Elm Road 2',0,5,'07:30',80),
(22,'ST','Fire House','Depot Way 1',1,4,'07:00',60),
(31,'HB','Sailors Club','Quay 8',0,7,'06:30',150),
(32,'HB','Fish Market','Quay 21',1,10,'06:30',210),
(41,'FE','Fenlow Barn','Dyke Road 77',0,3,'08:00',40),
(42,'FE','Village School','Green 3',1,4,'08:00',NULL),
(51,'GL','Sports Pavilion','Park Row 12',1,5,'07:30',95);
INSERT INTO helper VALUES
(1,'Marsh','Delia','NW','2024-03-02',60,1,'0701-11'),
(2,'Okonjo','Peter','NW','2024-03-02',60,0,'0701-12'),
(3,'Lindqvist','Sara','ST',NULL,45,1,'0701-13'),
(4,'Basu','Ranjit','HB','2024-03-09',75,1,NULL),
(5,'Carver','Joan','HB','2024-03-09',60,0,'0701-15'),
(6,'Nowak','Adam','FE','2024-03-16',60,1,'0701-16'),
(7,'Silva','Teresa','FE',NULL,45,0,'0701-17'),
(8,'Hughes','Gethin','ST','2024-03-16',75,1,'0701-18'),
(9,'Yamada','Ken','HB','2024-03-02',60,0,NULL),
(10,'Frost','Miriam','GL','2024-03-16',60,1,'0701-20'),
(11,'Basu','Leela','NW',NULL,45,0,'0701-21');
INSERT INTO assignment VALUES
(1,1,11,'presiding',14,'yes'),(2,2,11,'clerk',8,'yes'),(3,3,21,'clerk',8,'pending'),(4,4,31,'presiding',15,'yes'),(5,5,31,'clerk',8,'no'),(6,6,41,'presiding',13,'yes'),(7,7,41,'clerk',6,'pending'),(8,8,22,'presiding',14,'yes'),(9,9,32,'counter',5,'yes'),(10,4,32,'counter',5,'pending'),(11,10,51,'presiding',13,'yes'),(12,1,12,'counter',4,'yes');
INSERT INTO material VALUES
('BX','ballot box',4.2,40,10),('BT','voting booth',11.5,55,12),('SG','direction sign',1.8,90,30),('SL','numbered seal',0.1,600,200),('LP','desk lamp',1.2,8,10),('RM','wheelchair ramp',23.0,5,3),('TP','barrier tape',0.4,70,20);
INSERT INTO delivery VALUES
(1,11,'BX',3,'2024-05-01','2024-04-30',1),(2,11,'BT',6,'2024-05-01','2024-05-01',1),(3,12,'BX',4,'2024-05-01',NULL,1),(4,21,'RM',1,'2024-04-29','2024-05-02',8),(5,22,'BX',2,'2024-04-29','2024-04-29',8),(6,31,'BT',7,'2024-05-01',NULL,4),(7,31,'RM',1,'2024-04-29','2024-04-28',4),(8,32,'SG',12,'2024-05-02',NULL,NULL),(9,41,'BX',2,'2024-04-30','2024-04-30',6),(10,41,'LP',3,'2024-04-30','2024-04-30',6),(11,51,'SG',5,'2024-05-02','2024-05-01',10),(12,32,'SL',80,'2024-05-02','2024-05-02',4);
