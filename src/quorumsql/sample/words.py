"""The tables of the sample company and the words its rows are made of.

What is not covered: how words become rows; that is `sample.build`.
"""

from __future__ import annotations

__all__ = [
    "CARRIERS",
    "CATEGORIES",
    "COUNTRIES",
    "DEPARTMENTS",
    "FIRST_NAMES",
    "LAST_NAMES",
    "METHODS",
    "REASONS",
    "REGIONS",
    "REVIEWS_BY_STARS",
    "SCHEMA",
    "SEGMENTS",
    "SERIES",
    "SUPPLIER_KINDS",
    "SUPPLIER_WORDS",
]

SCHEMA = """
CREATE TABLE regions (region_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE countries (
    country_id INTEGER PRIMARY KEY, name TEXT NOT NULL, currency TEXT NOT NULL,
    region_id INTEGER NOT NULL REFERENCES regions (region_id));
CREATE TABLE departments (
    department_id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT NOT NULL, budget INTEGER);
CREATE TABLE employees (
    employee_id INTEGER PRIMARY KEY, name TEXT NOT NULL, title TEXT NOT NULL,
    city TEXT NOT NULL, salary INTEGER NOT NULL, hire_date DATE NOT NULL, birth_date DATE,
    department_id INTEGER NOT NULL REFERENCES departments (department_id),
    manager_id INTEGER REFERENCES employees (employee_id));
CREATE TABLE suppliers (
    supplier_id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT NOT NULL, rating REAL,
    country_id INTEGER NOT NULL REFERENCES countries (country_id));
CREATE TABLE categories (category_id INTEGER PRIMARY KEY, name TEXT NOT NULL, description TEXT);
CREATE TABLE products (
    product_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, price REAL NOT NULL,
    weight REAL, stock INTEGER NOT NULL, launch_date DATE NOT NULL,
    category_id INTEGER NOT NULL REFERENCES categories (category_id));
CREATE TABLE product_suppliers (
    product_id INTEGER NOT NULL REFERENCES products (product_id),
    supplier_id INTEGER NOT NULL REFERENCES suppliers (supplier_id),
    unit_cost REAL NOT NULL, lead_days INTEGER,
    PRIMARY KEY (product_id, supplier_id));
CREATE TABLE customers (
    customer_id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT NOT NULL, email TEXT,
    phone TEXT, segment TEXT NOT NULL, birth_date DATE, signup_date DATE NOT NULL,
    country_id INTEGER NOT NULL REFERENCES countries (country_id));
CREATE TABLE orders (
    order_id INTEGER PRIMARY KEY, order_date DATE NOT NULL, status TEXT NOT NULL,
    channel TEXT NOT NULL,
    customer_id INTEGER NOT NULL REFERENCES customers (customer_id),
    employee_id INTEGER REFERENCES employees (employee_id));
CREATE TABLE order_items (
    order_id INTEGER NOT NULL REFERENCES orders (order_id),
    line_number INTEGER NOT NULL,
    product_id INTEGER NOT NULL REFERENCES products (product_id),
    quantity INTEGER NOT NULL, unit_price REAL NOT NULL,
    PRIMARY KEY (order_id, line_number));
CREATE TABLE shipments (
    shipment_id INTEGER PRIMARY KEY, carrier TEXT NOT NULL, shipped_date DATE NOT NULL,
    delivered_date DATE, order_id INTEGER NOT NULL REFERENCES orders (order_id));
CREATE TABLE payments (
    payment_id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, -- a key by its name only
    method TEXT NOT NULL, amount REAL NOT NULL, payment_date DATE NOT NULL);
CREATE TABLE returns (
    return_id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, line_number INTEGER NOT NULL,
    reason TEXT, return_date DATE NOT NULL,
    FOREIGN KEY (order_id, line_number) REFERENCES order_items (order_id, line_number));
CREATE TABLE "Product Reviews" (
    "Review ID" INTEGER PRIMARY KEY, "Star Rating" INTEGER NOT NULL, "Review Text" TEXT,
    "Review Date" DATE NOT NULL,
    product_id INTEGER NOT NULL REFERENCES products (product_id),
    customer_id INTEGER NOT NULL REFERENCES customers (customer_id));
"""

REGIONS = ("Scandinavia", "Western Europe", "Southern Europe", "North America", "Asia Pacific")

# Country, currency, position of its region, and its cities: many of them often misspelt.
COUNTRIES = (
    ("Iceland", "ISK", 1, ("Reykjavik", "Akureyri")),
    ("Sweden", "SEK", 1, ("Gothenburg", "Stockholm", "Uppsala")),
    ("Norway", "NOK", 1, ("Trondheim", "Stavanger", "Oslo")),
    ("Denmark", "DKK", 1, ("Copenhagen", "Aarhus")),
    ("Germany", "EUR", 2, ("Düsseldorf", "Leipzig", "Hamburg")),
    ("France", "EUR", 2, ("Marseille", "Grenoble", "Toulouse")),
    ("Switzerland", "CHF", 2, ("Zurich", "Lausanne")),
    ("Netherlands", "EUR", 2, ("Rotterdam", "Eindhoven")),
    ("Italy", "EUR", 3, ("Bologna", "Palermo", "Turin")),
    ("Spain", "EUR", 3, ("Zaragoza", "Seville", "Bilbao")),
    ("Portugal", "EUR", 3, ("Coimbra", "Lisbon")),
    ("United States", "USD", 4, ("Cincinnati", "Albuquerque", "Pittsburgh", "Seattle")),
    ("Canada", "CAD", 4, ("Saskatoon", "Vancouver", "Ottawa")),
    ("Mexico", "MXN", 4, ("Guadalajara", "Monterrey")),
    ("Japan", "JPY", 5, ("Sapporo", "Fukuoka")),
    ("Australia", "AUD", 5, ("Melbourne", "Brisbane")),
    ("New Zealand", "NZD", 5, ("Christchurch", "Wellington")),
)

# Department, city, budget, head's title, member's title, members, base salary.
DEPARTMENTS = (
    ("Management", "Gothenburg", 900_000, "Chief Executive", "Director", 4, 118_000),
    ("Sales", "Gothenburg", 1_450_000, "Sales Manager", "Sales Representative", 42, 46_000),
    ("Customer Service", "Seattle", 620_000, "Service Manager", "Service Agent", 31, 36_000),
    ("Logistics", "Rotterdam", 1_120_000, "Logistics Manager", "Warehouse Clerk", 38, 34_000),
    ("Marketing", "Copenhagen", 780_000, "Marketing Manager", "Marketing Specialist", 14, 49_000),
    ("Engineering", "Zurich", 1_300_000, "Engineering Manager", "Engineer", 22, 78_000),
    ("Finance", "Gothenburg", None, "Finance Manager", "Accountant", 11, 58_000),
    ("Human Resources", "Gothenburg", 310_000, "HR Manager", "Recruiter", 6, 47_000),
)

# Category, description, nouns of its products, lowest and highest price.
CATEGORIES = (
    ("Tents", "Shelter for one to eight people", ("Dome Tent", "Tunnel Tent", "Tarp"), 89, 690),
    ("Sleeping Bags", "Down and synthetic", ("Sleeping Bag", "Quilt", "Bivvy"), 59, 420),
    ("Backpacks", "Day trips to expeditions", ("Daypack", "Trekking Pack", "Duffel"), 39, 330),
    ("Jackets", None, ("Rain Jacket", "Down Jacket", "Fleece"), 49, 480),
    ("Footwear", "Boots and shoes", ("Hiking Boot", "Trail Shoe", "Sandal"), 45, 290),
    ("Climbing", "Ropes, harnesses, hardware", ("Harness", "Rope", "Helmet"), 35, 260),
    ("Cooking", "Stoves and cookware", ("Stove", "Cook Set", "Water Filter"), 15, 190),
    ("Navigation", "Finding the way", ("Compass", "GPS Watch", "Altimeter"), 19, 550),
    ("Bicycles", "For gravel and mountain", ("Gravel Bike", "Mountain Bike"), 890, 3_900),
    ("Accessories", None, ("Headlamp", "Trekking Pole", "Water Bottle", "Multitool"), 9, 120),
)

SERIES = (
    "Glacier", "Fjord", "Summit", "Juniper", "Tundra", "Osprey", "Boreal", "Granite", "Aurora",
    "Heather", "Lynx", "Basalt",
)  # fmt: skip
FIRST_NAMES = (
    "Astrid", "Björn", "Camille", "Daniel", "Elena", "Farid", "Grace", "Hiroshi", "Ingrid",
    "Javier", "Katarzyna", "Liam", "Maja", "Noah", "Olivia", "Pedro", "Quentin", "Rosa",
    "Siobhan", "Tomás", "Ulrika", "Viktor", "Wendy", "Xiomara", "Yuki", "Zachary", "Beatriz",
    "Catherine", "Geoffrey", "Philippa", "Stephen", "Michaela",
)  # fmt: skip
LAST_NAMES = (
    "Andersson", "Bergström", "Costa", "Dubois", "Eriksen", "Fischer", "García", "Haugen",
    "Ivanov", "Johansson", "Keller", "Lindqvist", "Moreau", "Nakamura", "O'Brien", "Pettersson",
    "Quist", "Rossi", "Schneider", "Thompson", "Uchida", "Virtanen", "Walker", "Yilmaz",
    "Zimmermann", "MacDonald", "Fernandez", "Hernandez", "Nielsen", "Sørensen",
)  # fmt: skip
SUPPLIER_WORDS = ("Alpine", "Northern", "Pacific", "Highland", "Coastal", "Nordic", "Pioneer")
SUPPLIER_KINDS = ("Textiles", "Outdoor Supply", "Manufacturing", "Trading", "Gear", "Metalworks")
SEGMENTS = ("Consumer", "Consumer", "Consumer", "Club", "Business")
CARRIERS = ("DHL", "PostNord", "FedEx", "UPS")
METHODS = ("Credit Card", "Credit Card", "PayPal", "Invoice", "Bank Transfer")
REASONS = ("Wrong size", "Damaged", "Changed mind", "Late delivery", None)
REVIEWS_BY_STARS = (
    ("Fell apart in a week.", "Never again."),
    ("Not worth the price.", "Zips jam all the time."),
    ("Does the job.", "Okay, but heavy."),
    ("Very good in rain.", "Solid, would buy again."),
    ("Best I ever owned!", "Perfect on a two-week trek."),
)
