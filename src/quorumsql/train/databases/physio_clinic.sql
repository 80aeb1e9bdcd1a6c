CREATE TABLE therapists (therapist_id INTEGER PRIMARY KEY, full_name TEXT, specialty TEXT, hired_on TEXT, license_no TEXT, hourly_rate REAL, part_time INTEGER);
CREATE TABLE patients (patient_id INTEGER PRIMARY KEY, full_name TEXT, birth_date TEXT, city TEXT, insurer TEXT, referral_source TEXT, phone TEXT);
CREATE TABLE rooms (room_id INTEGER PRIMARY KEY, label TEXT, floor INTEGER, has_pool INTEGER);
CREATE TABLE treatments (treatment_code TEXT PRIMARY KEY, title TEXT, duration_min INTEGER, list_price REAL, body_region TEXT);
CREATE TABLE sessions (session_id INTEGER PRIMARY KEY, patient_id INTEGER REFERENCES patients(patient_id), therapist_id INTEGER REFERENCES therapists(therapist_id), room_id INTEGER REFERENCES rooms(room_id), treatment_code TEXT REFERENCES treatments(treatment_code), held_on TEXT, status TEXT, pain_before INTEGER, pain_after INTEGER, fee_charged REAL);
INSERT INTO therapists VALUES
(1,'Ingrid Solheim','Sports injuries','2014-03-01','NO-4471',78.0,0),
(2,'Tomasz Wilk','Neurology','2018-09-15','PL-1180',72.5,0),
(3,'Amara Okafor','Paediatrics','2020-01-10','NG-0932',69.0,1),
(4,'Luca Ferrante','Orthopaedics','2011-06-20','IT-7720',85.0,0),
(5,'Yuki Tanabe','Sports injuries','2022-04-04','JP-3315',64.0,1),
(6,'Helena Brandt','Orthopaedics','2023-11-01','DE-9054',61.5,0),
(7,'Samir Haddad','Neurology','2024-02-12',NULL,60.0,1);
INSERT INTO patients VALUES
(1,'Jonas Meier','1975-05-02','Basel','Helvia','GP','061-5550'),
(2,'Rosa Delgado','1990-11-23','Lausanne','Sanitra','hospital','021-4471'),
(3,'Chinedu Eze','2012-07-14','Basel','Helvia','school','061-9982'),
(4,'Marta Kowal','1962-01-30','Bern','Krona','GP',NULL),
(5,'Pierre Lambert','1958-08-19','Lausanne',NULL,'self','021-0034'),
(6,'Anneli Virtanen','1999-03-08','Bern','Sanitra','self','031-7765'),
(7,'Dmitri Orlov','1983-12-12','Basel','Krona','hospital','061-2211'),
(8,'Fatima Zahra','2001-06-27','Zug','Helvia','GP','041-8890'),
(9,'Oliver Stein','1946-10-05','Zug',NULL,'hospital',NULL),
(10,'Linh Tran','1988-02-17','Basel','Sanitra','GP','061-6420');
INSERT INTO rooms VALUES (1,'Alder',0,0),(2,'Birch',0,0),(3,'Cedar',1,0),(4,'Lagoon',-1,1),(5,'Elm',2,0),(6,'Spruce',1,0);
INSERT INTO treatments VALUES
('MT30','Manual therapy',30,75.0,'spine'),
('GT45','Gait training',45,98.0,'legs'),
('HY40','Hydrotherapy',40,110.0,'whole body'),
('SW20','Shockwave',20,90.0,'shoulder'),
('LD60','Lymph drainage',60,120.0,'legs'),
('KT15','Kinesio taping',15,35.0,'shoulder'),
('BO60','Bobath',60,130.0,'whole body');
INSERT INTO sessions VALUES
(1,1,1,1,'MT30','2024-01-08','done',7,4,75.0),
(2,2,4,3,'GT45','2024-01-09','done',6,5,98.0),
(3,3,3,2,'KT15','2024-01-11','done',3,1,35.0),
(4,4,2,4,'HY40','2024-01-15','cancelled',8,NULL,0.0),
(5,5,2,3,'GT45','2024-01-16','done',9,6,95.0),
(6,1,1,1,'SW20','2024-01-22','done',5,2,90.0),
(7,6,5,2,'SW20','2024-02-02','no_show',4,NULL,45.0),
(8,7,4,3,'MT30','2024-02-05','done',7,3,75.0),
(9,10,4,1,'LD60','2024-02-07','done',6,4,120.0),
(10,4,2,4,'HY40','2024-02-12','done',8,5,110.0),
(11,2,6,5,'MT30','2024-02-19','cancelled',5,NULL,0.0),
(12,8,5,2,'KT15','2024-03-01','no_show',2,NULL,20.0),
(13,7,1,1,'SW20','2024-03-04','done',4,1,90.0),
(14,10,2,4,'HY40','2024-03-11','planned',NULL,NULL,NULL);
