"""The questions of the demo, each with hand-written SQL that is known to be right.

What is not covered: answering. The reference SQL is compared with an answer after it was given.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["QUESTIONS", "DemoQuestion"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoQuestion:
    """A question, the kind it stands for, and SQL whose result is the right answer."""

    kind: str
    text: str
    reference: str


QUESTIONS = (
    DemoQuestion(
        kind="filter",
        text="What are the names of the products with a price above 3000?",
        reference="SELECT name FROM products WHERE price > 3000",
    ),
    DemoQuestion(
        kind="value with a typo",
        text="How many customers live in Cincinatti?",
        reference="SELECT count(*) FROM customers WHERE city = 'Cincinnati'",
    ),
    DemoQuestion(
        kind="join of three tables",
        text="What are the names of the suppliers that deliver the product Glacier Stove?",
        reference="""SELECT suppliers.name FROM suppliers
            JOIN product_suppliers USING (supplier_id) JOIN products USING (product_id)
            WHERE products.name = 'Glacier Stove'""",
    ),
    DemoQuestion(
        kind="group and having",
        text="Show the names of departments with more than 20 employees.",
        reference="""SELECT departments.name FROM departments
            JOIN employees USING (department_id) GROUP BY department_id HAVING count(*) > 20""",
    ),
    DemoQuestion(
        kind="superlative",
        text="What is the name of the most expensive product?",
        reference="SELECT name FROM products ORDER BY price DESC LIMIT 1",
    ),
    DemoQuestion(
        kind="superlative of a group",
        text="Which category has the most products? Give me its name.",
        reference="""SELECT categories.name FROM categories JOIN products USING (category_id)
            GROUP BY category_id ORDER BY count(*) DESC LIMIT 1""",
    ),
    DemoQuestion(
        kind="nested",
        text="How many employees have a salary above the average salary?",
        reference="""SELECT count(*) FROM employees
            WHERE salary > (SELECT avg(salary) FROM employees)""",
    ),
    DemoQuestion(
        kind="nested, negated",
        text="How many customers have not placed any order?",
        reference="""SELECT count(*) FROM customers
            WHERE customer_id NOT IN (SELECT customer_id FROM orders)""",
    ),
    DemoQuestion(
        kind="set operation",
        text="Which cities have both customers and suppliers?",
        reference="SELECT city FROM customers INTERSECT SELECT city FROM suppliers",
    ),
    DemoQuestion(
        kind="dates",
        text="How many orders were placed after 2024-06-30?",
        reference="SELECT count(*) FROM orders WHERE order_date > '2024-06-30'",
    ),
    DemoQuestion(
        kind="names with spaces",
        text="What is the average star rating of the product reviews?",
        reference='SELECT avg("Star Rating") FROM "Product Reviews"',
    ),
    DemoQuestion(
        kind="hard: arithmetic over a join",
        text="Which five customers spent the most in 2023?",
        reference="""SELECT customers.name FROM customers JOIN orders USING (customer_id)
            JOIN order_items USING (order_id) WHERE order_date LIKE '2023%'
            GROUP BY customer_id ORDER BY sum(quantity * unit_price) DESC LIMIT 5""",
    ),
)
