-- A small shop used by tests everywhere. On purpose it holds NULLs, duplicate rows and values, names with
-- spaces, quotes, reserved words and letters that are not Latin, a composite key that is referred to,
-- a table that refers to itself, two ways to join two tables, an empty table and a view.

CREATE TABLE city (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    country TEXT NOT NULL,
    population INTEGER
);
INSERT INTO city VALUES
    (1, 'Lisbon', 'Portugal', 545000),
    (2, 'Porto', 'Portugal', 231800),
    (3, 'São Paulo', 'Brazil', 11450000),
    (4, '東京', 'Japan', 13960000),
    (5, 'Lisbon', 'United States', NULL);

CREATE TABLE customer (
    id INTEGER PRIMARY KEY,
    name VARCHAR(40) NOT NULL,
    email TEXT,
    born DATE,
    home_city INTEGER REFERENCES city (id),
    work_city INTEGER REFERENCES city (id),
    referred_by INTEGER REFERENCES customer (id)
);
INSERT INTO customer VALUES
    (1, 'Ana Sousa', 'ana@example.com', '1985-03-02', 1, 2, NULL),
    (2, 'Bruno Dias', NULL, '1990-11-20', 2, 2, 1),
    (3, 'O''Neill, Kate', 'kate@example.com', NULL, 3, NULL, 1),
    (4, '山田 太郎', NULL, '1978-07-07', 4, 4, NULL),
    (5, 'Ana Sousa', 'ana.two@example.com', '2001-01-31', 5, 1, 2),
    (6, 'Zoë Müller', NULL, NULL, NULL, NULL, NULL);

CREATE TABLE product (
    sku TEXT NOT NULL,
    edition INTEGER NOT NULL,
    name TEXT NOT NULL,
    price REAL,
    "group" TEXT,
    PRIMARY KEY (sku, edition)
);
INSERT INTO product VALUES
    ('LAMP', 1, 'Desk lamp', 19.90, 'home'),
    ('LAMP', 2, 'Desk lamp', 24.50, 'home'),
    ('MUG', 1, 'Mug, large [blue]', 7.25, 'kitchen'),
    ('CHAIR', 1, 'Chair "Oslo"', 120.00, 'home'),
    ('PEN', 1, 'Pen', 1.10, NULL),
    ('GIFT', 1, 'Gift card', NULL, 'other');

CREATE TABLE "order" (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customer (id),
    placed_on DATE NOT NULL,
    status TEXT
);
INSERT INTO "order" VALUES
    (1, 1, '2023-01-05', 'shipped'),
    (2, 1, '2023-02-14', 'shipped'),
    (3, 2, '2023-02-14', 'cancelled'),
    (4, 3, '2024-06-30', 'shipped'),
    (5, 4, '2024-07-01', NULL),
    (6, 4, '2024-12-31', 'open'),
    (7, 5, '2024-12-31', 'open');

CREATE TABLE "Order Details" (
    "Order ID" INTEGER NOT NULL REFERENCES "order" (id),
    line INTEGER NOT NULL,
    sku TEXT NOT NULL,
    edition INTEGER NOT NULL,
    "Unit Price (EUR)" REAL,
    quantity INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY ("Order ID", line),
    FOREIGN KEY (sku, edition) REFERENCES product (sku, edition)
);
INSERT INTO "Order Details" VALUES
    (1, 1, 'LAMP', 1, 19.90, 2),
    (1, 2, 'MUG', 1, 7.25, 4),
    (2, 1, 'PEN', 1, 1.10, 10),
    (3, 1, 'CHAIR', 1, 110.00, 1),
    (4, 1, 'LAMP', 2, 24.50, 1),
    (4, 2, 'CHAIR', 1, 120.00, 4),
    (5, 1, 'GIFT', 1, NULL, 1),
    (6, 1, 'MUG', 1, 7.25, 1),
    (6, 2, 'PEN', 1, 1.10, 1),
    (7, 1, 'LAMP', 2, 22.00, 3);

CREATE TABLE visit (
    customer_id INTEGER REFERENCES customer (id),
    page TEXT,
    seconds INTEGER
);
INSERT INTO visit VALUES
    (1, '/home', 12),
    (1, '/home', 12),
    (2, '/home', NULL),
    (NULL, '/lamps', 5),
    (4, '/lamps', 5),
    (4, '/lamps', 30);

CREATE TABLE 評価 (
    番号 INTEGER PRIMARY KEY,
    顧客 INTEGER REFERENCES customer (id),
    sku TEXT,
    edition INTEGER,
    点数 INTEGER,
    "what was ""said""" TEXT,
    FOREIGN KEY (sku, edition) REFERENCES product (sku, edition)
);
INSERT INTO 評価 VALUES
    (1, 1, 'LAMP', 1, 5, 'bright'),
    (2, 4, 'MUG', 1, 3, NULL),
    (3, 4, 'LAMP', 2, 5, 'とても良い'),
    (4, 5, 'CHAIR', 1, 1, 'broke; see http://example.com/broken');

CREATE TABLE return_slip (
    order_id INTEGER,
    line INTEGER,
    reason TEXT,
    photo BLOB,
    FOREIGN KEY (order_id, line) REFERENCES "Order Details" ("Order ID", line)
);

CREATE VIEW customer_spending AS
SELECT c.id, c.name, SUM(d."Unit Price (EUR)" * d.quantity) AS total
FROM customer AS c
JOIN "order" AS o ON o.customer_id = c.id
JOIN "Order Details" AS d ON d."Order ID" = o.id
GROUP BY c.id, c.name;
