CREATE TABLE ShippingLine (LineCode TEXT PRIMARY KEY, LineName TEXT, HomeCountry TEXT, FreeDays INTEGER, DailyRate REAL);
CREATE TABLE YardBlock (BlockId TEXT PRIMARY KEY, Zone TEXT, MaxTier INTEGER, SlotCount INTEGER, ReeferPlugs INTEGER);
CREATE TABLE Container (BoxNo TEXT PRIMARY KEY, LineCode TEXT REFERENCES ShippingLine(LineCode), BlockId TEXT REFERENCES YardBlock(BlockId), SizeFt INTEGER, BoxType TEXT, GrossKg INTEGER, ArrivedOn TEXT, CustomsState TEXT);
CREATE TABLE Crane (CraneId INTEGER PRIMARY KEY, CraneName TEXT, Maker TEXT, LiftCapacityT REAL, CommissionedYear INTEGER, BlockId TEXT REFERENCES YardBlock(BlockId));
CREATE TABLE Operator (OperatorId INTEGER PRIMARY KEY, OperatorName TEXT, ShiftLetter TEXT, CertUntil TEXT, Nationality TEXT);
CREATE TABLE Move (MoveId INTEGER PRIMARY KEY, BoxNo TEXT REFERENCES Container(BoxNo), CraneId INTEGER REFERENCES Crane(CraneId), OperatorId INTEGER REFERENCES Operator(OperatorId), MoveKind TEXT, MovedOn TEXT, Seconds INTEGER, DamageFlag INTEGER);
INSERT INTO ShippingLine VALUES
('NRL','Norrland Lines','Sweden',5,42.0),('PAC','Pacifica Carriers','Chile',7,38.5),('BLU','Blue Meridian','Greece',3,55.0),('KOR','Koryo Marine','South Korea',6,40.0),('TAG','Tagus Shipping','Portugal',4,47.5),('ZAN','Zanzibar Freight','Tanzania',10,29.0);
INSERT INTO YardBlock VALUES
('A1','import',5,240,0),('A2','import',5,220,36),('B1','export',6,300,48),('B2','export',4,180,0),('C1','empty',7,400,0),('D1','hazard',2,60,0);
INSERT INTO Container VALUES
('NRLU1002','NRL','A1',40,'dry',22400,'2024-04-01','released'),
('NRLU1010','NRL','A2',40,'reefer',25100,'2024-04-03','held'),
('PACU2204','PAC','A2',20,'reefer',17800,'2024-04-02','released'),
('PACU2219','PAC','B1',40,'dry',26900,'2024-04-05','pending'),
('BLUU3301','BLU','D1',20,'tank',19900,'2024-03-21','held'),
('BLUU3340','BLU','A1',20,'dry',12050,'2024-04-07','released'),
('KORU4420','KOR','B1',40,'open top',28300,'2024-04-04','pending'),
('KORU4433','KOR','C1',40,'dry',3800,'2024-02-28',NULL),
('TAGU5005','TAG','B2',20,'dry',15400,'2024-04-06','released'),
('TAGU5011','TAG','C1',20,'dry',2250,'2024-03-11',NULL),
('KORU4470','KOR','A1',20,'tank',21300,'2024-04-08','inspect'),
('NRLU1055','NRL','B1',20,'dry',16700,'2024-04-08','released');
INSERT INTO Crane VALUES
(1,'Goliath','Liebmann',41.0,2009,'A1'),(2,'Betty','Konstrukta',50.5,2016,'A2'),(3,'Samson','Liebmann',61.0,2019,'B1'),(4,'Old Tom','Harrow & Pike',32.0,1994,'B2'),(5,'Heron','Konstrukta',45.0,2021,'C1'),(6,'Stork','Zhenlift',65.0,2023,'B1');
INSERT INTO Operator VALUES
(1,'Mikkel Dahl','A','2025-06-30','Danish'),(2,'Joana Pires','B','2024-12-31','Portuguese'),(3,'Kwame Boateng','A','2026-03-15','Ghanaian'),(4,'Priya Nair','C','2025-01-20','Indian'),(5,'Stefan Ilic','B','2024-08-01','Serbian'),(6,'Noora Saleh','C',NULL,'Jordanian'),(7,'Rui Tavares','A','2027-02-11','Portuguese');
INSERT INTO Move VALUES
(1,'NRLU1002',1,1,'discharge','2024-04-01',140,0),
(2,'NRLU1010',2,2,'discharge','2024-04-03',165,0),
(3,'PACU2204',2,2,'discharge','2024-04-02',150,1),
(4,'PACU2219',3,3,'gate-in','2024-04-05',120,0),
(5,'BLUU3340',1,5,'discharge','2024-04-07',210,1),
(6,'KORU4420',3,3,'gate-in','2024-04-04',132,0),
(7,'TAGU5005',4,4,'gate-in','2024-04-06',255,0),
(8,'NRLU1002',1,1,'shuffle','2024-04-04',95,0),
(9,'NRLU1002',1,5,'gate-out','2024-04-09',130,0),
(10,'PACU2204',2,4,'gate-out','2024-04-06',128,0),
(11,'KORU4433',5,4,'shuffle','2024-03-02',88,0),
(12,'KORU4470',1,1,'discharge','2024-04-08',175,0),
(13,'NRLU1055',3,2,'gate-in','2024-04-08',118,0),
(14,'KORU4420',3,1,'shuffle','2024-04-07',101,1);
