CREATE TABLE creator (creator_id INTEGER PRIMARY KEY, display_name TEXT, country TEXT, verified INTEGER, signup_date TEXT, website TEXT);
CREATE TABLE campaign (campaign_id INTEGER PRIMARY KEY, creator_id INTEGER REFERENCES creator(creator_id), headline TEXT, category TEXT, goal_amt INTEGER, launched_on TEXT, deadline TEXT, outcome TEXT, staff_pick INTEGER);
CREATE TABLE reward (reward_id INTEGER PRIMARY KEY, campaign_id INTEGER REFERENCES campaign(campaign_id), label TEXT, min_pledge INTEGER, quantity_cap INTEGER, ships_in TEXT);
CREATE TABLE backer (backer_id INTEGER PRIMARY KEY, username TEXT, country TEXT, birth_year INTEGER, newsletter INTEGER);
CREATE TABLE pledge (pledge_id INTEGER PRIMARY KEY, backer_id INTEGER REFERENCES backer(backer_id), campaign_id INTEGER REFERENCES campaign(campaign_id), reward_id INTEGER REFERENCES reward(reward_id), amount REAL, pledged_on TEXT, payment_state TEXT);
CREATE TABLE comment (comment_id INTEGER PRIMARY KEY, campaign_id INTEGER REFERENCES campaign(campaign_id), backer_id INTEGER REFERENCES backer(backer_id), posted_on TEXT, stars INTEGER, flagged INTEGER);
INSERT INTO creator VALUES
(1,'Luma Workshop','Denmark',1,'2019-02-01','luma.example'),(2,'Ana Beltrán','Mexico',1,'2020-07-15',NULL),(3,'Tin Robot Games','Canada',1,'2018-11-20','tinrobot.example'),(4,'Oyelaran Films','Nigeria',0,'2022-01-05',NULL),(5,'Mosswood Press','Scotland',1,'2021-03-30','mosswood.example'),(6,'Kaito Hara','Japan',0,'2023-05-12',NULL),(7,'Selma Aydin','Turkey',0,'2024-02-20',NULL);
INSERT INTO campaign VALUES
(1,1,'A lamp that breathes','design',20000,'2023-09-01','2023-10-01','funded',1),
(2,2,'Clay Ovens for Oaxaca','community',8000,'2023-10-10','2023-11-09','funded',0),
(3,3,'Gearfall: the board game','games',45000,'2024-01-15','2024-02-14','funded',1),
(4,4,'Lagos by Night','film',60000,'2024-01-20','2024-03-20','failed',0),
(5,5,'Atlas of Lost Ponds','publishing',5500,'2024-02-01','2024-03-02','funded',0),
(6,3,'Gearfall: Rust expansion','games',30000,'2024-06-01','2024-07-01','live',1),
(7,6,'Pocket Bonsai Kit','design',3000,'2024-05-20','2024-06-19','live',0),
(8,1,'The silent kettle','design',25000,'2024-03-05','2024-04-04','cancelled',0),
(9,5,'Moth Almanac','publishing',4000,'2024-06-10','2024-07-10','live',0);
INSERT INTO reward VALUES
(1,1,'Early lamp',89,100,'2024-02'),(2,1,'Lamp pair',170,NULL,'2024-03'),(3,2,'Postcard from the village',10,NULL,'2023-12'),(4,3,'Core box',65,NULL,'2024-11'),(5,3,'Deluxe box',140,500,'2024-12'),(6,4,'Premiere seat',120,80,'2025-03'),(7,5,'Signed hardback',48,250,'2024-08'),(8,6,'Expansion only',40,NULL,'2025-04'),(9,7,'Starter kit',25,300,'2024-10'),(10,9,'Print set',30,NULL,'2024-12');
INSERT INTO backer VALUES
(1,'pixelfox','Germany',1988,1),(2,'marisol_v','Mexico',1994,0),(3,'oldhenry','Canada',1951,1),(4,'nightowl77','Nigeria',1999,0),(5,'gretchen.k','Germany',1976,1),(6,'bo_lindy','Sweden',NULL,1),(7,'tamsin','Scotland',1983,0),(8,'jun_p','South Korea',2001,0),(9,'rookie9','Canada',2004,0);
INSERT INTO pledge VALUES
(1,1,1,1,95,'2023-09-02','collected'),(2,5,1,2,170,'2023-09-10','collected'),(3,2,2,3,25,'2023-10-15','collected'),(4,3,3,5,150,'2024-01-16','collected'),(5,1,3,4,65,'2024-01-18','collected'),(6,8,3,5,140,'2024-02-01','refunded'),(7,4,4,6,120,'2024-02-11','dropped'),(8,7,5,7,60,'2024-02-05','collected'),(9,3,6,8,45,'2024-06-02','pending'),(10,1,6,8,40,'2024-06-03','pending'),(11,6,7,9,25,'2024-05-28','pending'),(12,7,1,NULL,5,'2023-09-29','collected'),(13,5,5,NULL,15,'2024-02-28','collected'),(14,2,4,NULL,10,'2024-03-01','dropped');
INSERT INTO comment VALUES
(1,1,1,'2024-03-01',5,0),(2,1,5,'2024-04-12',3,0),(3,3,8,'2024-05-05',1,1),(4,3,3,'2024-02-20',5,0),(5,4,4,'2024-03-22',2,0),(6,5,7,'2024-08-30',4,0),(7,6,1,'2024-06-04',4,0),(8,3,1,'2024-03-03',4,0),(9,2,2,'2023-12-24',5,0);
