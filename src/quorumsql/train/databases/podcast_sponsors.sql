CREATE TABLE show (sh_id INTEGER PRIMARY KEY, sh_ttl TEXT, genre TEXT, lang TEXT, launch_dt TEXT, wk_dlds INTEGER, pd_by_subs INTEGER);
CREATE TABLE host (h_id INTEGER PRIMARY KEY, h_nm TEXT, home_ctry TEXT, yob INTEGER, fee_per_ep REAL);
CREATE TABLE show_host (sh_id INTEGER REFERENCES show(sh_id), h_id INTEGER REFERENCES host(h_id), role TEXT, since_yr INTEGER, PRIMARY KEY (sh_id, h_id));
CREATE TABLE epi (ep_id INTEGER PRIMARY KEY, sh_id INTEGER REFERENCES show(sh_id), ep_no INTEGER, ep_ttl TEXT, air_dt TEXT, len_min INTEGER, dld_cnt INTEGER, explicit INTEGER);
CREATE TABLE spons (sp_id INTEGER PRIMARY KEY, sp_nm TEXT, branch TEXT, hq_city TEXT, acct_mgr TEXT, cr_lim REAL);
CREATE TABLE ad_slot (slot_id INTEGER PRIMARY KEY, ep_id INTEGER REFERENCES epi(ep_id), sp_id INTEGER REFERENCES spons(sp_id), pos TEXT, secs INTEGER, net_amt REAL, pmt_st TEXT, promo_cd TEXT);
INSERT INTO show VALUES
(1,'Salt and Circuits','technology','English',  '2018-05-01',41000,0),
(2,'La Voz del Barrio','society','Spanish','2020-02-14',18500,0),
(3,'Midnight Ledger','true crime','English','2019-10-31',96000,1),
(4,'Kuchenzeit','food','German','2021-03-20',12400,0),
(5,'Orbit Kids','children','English','2022-09-01',22300,0),
(6,'Polar Notes','science','Norwegian','2017-01-09',7800,1),
(7,'Quiet Rooms','society','English','2024-01-05',NULL,0);
INSERT INTO host VALUES
(1,'Mara Whitlock','Ireland',1986,450),(2,'Esteban Rueda','Colombia',1979,300),(3,'Gudrun Falk','Germany',1968,280),(4,'Tunde Bakare','Nigeria',1991,520),(5,'Siri Aasen','Norway',1983,NULL),(6,'Nell Okoro','Ireland',1995,260),(7,'Piet de Wit','Netherlands',1974,310),(8,'Carla Benz','Germany',1990,240);
INSERT INTO show_host VALUES
(1,1,'lead',2018),(1,4,'co-host',2020),(2,2,'lead',2020),(3,4,'lead',2019),(3,6,'researcher',2021),(4,3,'lead',2021),(4,8,'co-host',2022),(5,6,'lead',2022),(6,5,'lead',2017);
INSERT INTO epi VALUES
(1,1,101,'The Chip Famine','2024-01-10',52,38000,0),
(2,1,102,'Robots at Sea','2024-01-24',47,40500,0),
(3,2,33,'La plaza vacía','2024-01-12',39,17200,0),
(4,3,60,'The Vanishing Auditor','2024-01-05',71,98200,1),
(5,3,61,'Ashes in Vault Nine','2024-01-19',66,101300,1),
(6,3,62,'A Clerk Confesses','2024-02-02',74,93000,0),
(7,4,28,'Bienenstich','2024-02-03',34,11900,0),
(8,5,17,'Why Moons Hide','2024-02-07',18,21000,0),
(9,6,140,'Ice Cores','2024-01-30',44,7500,0),
(10,6,141,'Whale Roads','2024-02-13',58,8100,0),
(11,2,34,'Los turnos de noche','2024-02-16',42,18900,1);
INSERT INTO spons VALUES
(1,'Brightbean Coffee','food','Dublin','Lotte Hagen',9000),(2,'NimbusHost','software','Tallinn','Lotte Hagen',20000),(3,'Velora Mattress','household','Lyon','Akio Mori',12000),(4,'SafeHarbor VPN','software','Valletta','Akio Mori',15000),(5,'Pequeño Banco','finance','Bogotá','Inés Prado',8000),(6,'Toymill','household','Gdansk',NULL,5000),(7,'Fjord Oats','food','Bergen','Lotte Hagen',4000),(8,'Kitewise','finance','Porto','Inés Prado',6000);
INSERT INTO ad_slot VALUES
(1,1,2,'pre',30,900,'paid','SALT10'),(2,1,1,'mid',60,1200,'paid',NULL),(3,2,4,'mid',60,1350,'open','SALTVPN'),(4,3,5,'pre',30,400,'paid',NULL),(5,4,4,'mid',90,3800,'paid','LEDGER'),(6,4,3,'post',30,1500,'overdue',NULL),(7,5,3,'mid',60,3900,'open','SLEEP5'),(8,6,2,'pre',30,2100,'open',NULL),(9,7,1,'pre',30,250,'paid','CAKE'),(10,8,6,'mid',45,700,'overdue','MOON'),(11,9,7,'pre',30,150,'paid',NULL),(12,10,7,'mid',60,260,'waived',NULL),(13,5,2,'post',20,950,'paid',NULL);
