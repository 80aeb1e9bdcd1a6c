CREATE TABLE Riders (rider_ID INTEGER PRIMARY KEY, rider_FirstName TEXT, rider_LastName TEXT, rider_Nick TEXT, rider_JoinedOn TEXT, rider_Contract TEXT, rider_MaxLoadKg REAL, rider_BaseDepot INTEGER REFERENCES Depots(depot_ID));
CREATE TABLE Depots (depot_ID INTEGER PRIMARY KEY, depot_Quarter TEXT, depot_Address TEXT, depot_LockerCount INTEGER, depot_HasWorkshop INTEGER);
CREATE TABLE Bikes (bike_FrameNo TEXT PRIMARY KEY, bike_Brand TEXT, bike_Kind TEXT, bike_BoughtOn TEXT, bike_Price REAL, bike_KmTotal INTEGER, bike_Condition TEXT, bike_RiderID INTEGER REFERENCES Riders(rider_ID));
CREATE TABLE Clients (client_ID INTEGER PRIMARY KEY, client_Company TEXT, client_Sector TEXT, client_Contact TEXT, client_DiscountPct INTEGER, client_Quarter TEXT);
CREATE TABLE Runs (run_ID INTEGER PRIMARY KEY, run_ClientID INTEGER REFERENCES Clients(client_ID), run_RiderID INTEGER REFERENCES Riders(rider_ID), run_Date TEXT, run_Km REAL, run_WeightKg REAL, run_Express INTEGER, run_Outcome TEXT, run_Fare REAL, run_Tip REAL);
INSERT INTO Depots VALUES (1,'Oldtown','Kirchgasse 5',24,1),(2,'Docklands','Pier Lane 12',16,0),(3,'Uphill','Terrace Road 40',10,1),(4,'Westend','Rue des Lilas 9',8,0);
INSERT INTO Riders VALUES
(1,'Maja','Novak','Zip','2019-04-01','permanent',18,1),
(2,'Elio','Conti','Falco','2021-06-12','permanent',22,1),
(3,'Hamza','Benali','Turbo','2022-03-03','freelance',15,2),
(4,'Freya','Lund',NULL,'2020-10-20','permanent',20,3),
(5,'Kofi','Adjei','Gear','2023-01-09','student',12,2),
(6,'Ruth','Sommer','Comet','2023-09-30','student',14,1),
(7,'Nikolai','Petrov',NULL,'2018-02-17','freelance',60,3),
(8,'Aiko','Mori','Swift','2024-05-05','freelance',13,2);
INSERT INTO Bikes VALUES
('FR-001','Vento','road','2020-03-10',1450,18200,'good',1),('FR-002','Vento','road','2021-06-01',1600,15100,'worn',2),('FR-003','Lasten','cargo','2019-08-21',4200,22400,'worn',7),('FR-004','Kromo','fixie','2022-02-14',780,9100,'good',3),('FR-005','Kromo','road','2023-01-15',990,4100,'new',5),('FR-006','Lasten','cargo','2024-02-01',4900,600,'new',NULL),('FR-007','Ostra','e-bike','2022-11-11',3100,7300,'repair',4),('FR-008','Ostra','e-bike','2023-10-05',3350,2900,'good',6);
INSERT INTO Clients VALUES
(1,'Hartmann Notaries','legal','Frau Hartmann',5,'Oldtown'),(2,'Pixelhaus','print','Ben Aziz',0,'Docklands'),(3,'Florica','flowers','Ioana Rusu',10,'Westend'),(4,'MediLab Nord','medical','Dr. Brix',15,'Uphill'),(5,'Lux & Partners','legal','Odile Lux',5,'Docklands'),(6,'Bakery Sole','food','Gino Sole',NULL,'Oldtown'),(7,'Archiv Eins','print','Tilda Kern',0,'Uphill');
INSERT INTO Runs VALUES
(1,1,1,'2024-06-03',3.2,0.4,1,'delivered',14.5,2),(2,1,2,'2024-06-03',4.1,0.6,0,'delivered',11,0),(3,2,3,'2024-06-04',6.8,5.5,0,'delivered',16,1.5),(4,3,7,'2024-06-04',5.0,31,0,'delivered',38,5),(5,4,4,'2024-06-05',9.4,2.2,1,'delivered',27,0),(6,4,1,'2024-06-05',8.8,1.9,1,'returned',25,NULL),(7,5,5,'2024-06-06',2.7,0.3,1,'delivered',13,1),(8,6,7,'2024-06-06',3.9,44,0,'damaged',35,NULL),(9,4,4,'2024-06-07',9.9,3.0,1,'delivered',28.5,3),(10,2,2,'2024-06-10',7.2,8.1,0,'lost',18,NULL),(11,5,1,'2024-06-11',3.3,0.5,0,'delivered',10,2.5),(12,3,3,'2024-06-12',5.6,6.4,1,'delivered',22,4),(13,1,6,'2024-06-12',2.9,0.2,0,'delivered',9.5,0);
