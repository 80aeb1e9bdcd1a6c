"""SQL in plain words."""

from __future__ import annotations

import pytest

from quorumsql.explain import explain

# fmt: off
CASES = {
    "SELECT name, COUNT(*) FROM a JOIN b ON a.x = b.x WHERE city = 'Paris' AND age > 3 "
    "GROUP BY name HAVING COUNT(*) >= 2 ORDER BY COUNT(*) DESC LIMIT 5": (
        "Shows name and the number of rows. From a, joined with b. Keeps rows where city is "
        "'Paris' and age is above 3. One line per name. "
        "Keeps lines where the number of rows is at least 2. "
        "Sorted by the number of rows, largest first. At most 5."
    ),
    "SELECT DISTINCT a FROM t WHERE b NOT IN (SELECT b FROM u WHERE x IS NOT NULL)": (
        "Shows the different a. From t. Keeps rows where not (b is one of "
        "(Shows b. From u. Keeps rows where x is known))."
    ),
    "SELECT a FROM t UNION SELECT COUNT(DISTINCT c) FROM v WHERE e BETWEEN 1 AND 3 OR f IS NULL": (
        "Shows a. From t. Together with this: Shows the number of different c. From v. "
        "Keeps rows where e is between 1 and 3 or f is unknown."
    ),
    "WITH q AS (SELECT a FROM t) SELECT * FROM q LEFT JOIN z ON q.a = z.a ORDER BY a, b DESC": (
        "First makes q (Shows a. From t). Shows everything. "
        "From q, joined with, where there is one, z. "
        "Sorted by a, smallest first; then b, largest first."
    ),
    "SELECT max(a) - min(b) AS span FROM (SELECT * FROM t) AS x WHERE a IN (1, 2)": (
        "Shows the largest a minus the smallest b as span. From (Shows everything. From t). "
        "Keeps rows where a is one of 1 or 2."
    ),
    "SELECT a FROM t WHERE d LIKE '2023%' AND e LIKE '%x' AND f NOT LIKE '%it''s%' "
    "AND g LIKE 'a_b'": (
        "Shows a. From t. Keeps rows where d begins with '2023' and e ends with 'x' and "
        "f does not contain 'it''s' and g looks like 'a_b'."
    ),
    "SELECT a FROM t WHERE a LIKE '%' ORDER BY last_name, t.Title DESC, LENGTH(name)": (
        "Shows a. From t. Keeps rows where a looks like '%'. "
        "Sorted by last_name, A to Z; then Title, Z to A; then LENGTH(name), smallest first."
    ),
    "DROP TABLE t": "This is not a query that reads rows: DROP TABLE t",
    "SELECT (": "This is not SQL that can be read.",
}
# fmt: on


@pytest.mark.parametrize("sql", CASES)
def test_sql_is_told_clause_by_clause(sql: str) -> None:
    assert explain(sql, "sqlite") == CASES[sql]
