"""The prompt layouts that released text-to-SQL weights were trained on, to the byte.

Other wording costs those weights accuracy, so the wording is theirs: XiYanSQL-QwenCoder
(alibaba/XiYan-SQL) in Chinese, which it was trained on, and in English; OmniSQL
(RUCKBReasoning/OmniSQL) in English. Both are Apache-2.0 and named in NOTICE. Their layouts have no
fences; what comes from a database is made inert before it enters (`inert`).

What is not covered: the graph dialects that the first of them also knows.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["OMNISQL", "XIYAN", "XIYAN_EN", "Layout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Templates with slots. `format` is the rendering of schemas that the weights know.

    `ask_others` asks for the SQL of engines other than `named`, the ones that the weights were
    trained on by name.
    """

    ask: str
    ask_others: str = ""
    named: frozenset[str] = frozenset()
    repair: str = ""
    candidate: str = ""
    choose: str = ""
    format: str = "mschema"

    def question(self, *, dialect: str, schema: str, question: str, evidence: str) -> str:
        """Return the prompt that asks for SQL."""
        ask = self.ask_others if self.ask_others and dialect not in self.named else self.ask
        asked = _with_evidence(question, evidence) if "{evidence}" not in ask else question
        return _filled(ask, dialect=dialect, schema=schema, question=asked, evidence=evidence)

    def correction(
        self, *, dialect: str, schema: str, question: str, evidence: str, sql: str, result: str
    ) -> str:
        """Return the prompt that asks for better SQL; only for layouts that have one."""
        return _filled(
            self.repair,
            dialect=dialect,
            schema=schema,
            question=question,
            evidence=evidence,
            sql=sql,
            result=result,
        )

    def one_candidate(self, *, label: str, sql: str, result: str) -> str:
        """Return the block of one candidate in a choice."""
        return _filled(self.candidate, label=label, sql=sql, result=result)

    def choice(
        self,
        *,
        dialect: str,
        schema: str,
        question: str,
        evidence: str,
        candidates: str,
        count: str,
        labels: str,
    ) -> str:
        """Return the prompt that asks to choose; only for layouts that have one."""
        return _filled(
            self.choose,
            dialect=dialect,
            schema=schema,
            question=question,
            evidence=evidence,
            candidates=candidates,
            count=count,
            labels=labels,
        )


def _filled(template: str, **slots: str) -> str:
    """Fill slots in one pass, so that what fills one is never searched for another."""
    parts = template.split("{")
    done = [parts[0]]
    for part in parts[1:]:
        name, _, rest = part.partition("}")
        done.append(slots[name] + rest)
    return "".join(done)


def _with_evidence(question: str, evidence: str) -> str:
    return f"{evidence}\n{question}" if evidence else question


XIYAN = Layout(
    ask="""\
你是一名{dialect}专家，现在需要阅读并理解下面的【数据库schema】描述，以及可能用到的【参考信息】，并运用{dialect}知识生成sql语句回答【用户问题】。
【用户问题】
{question}

【数据库schema】
{schema}

【参考信息】
{evidence}

【用户问题】
{question}

```sql""",
    named=frozenset({"SQLite", "MySQL", "PostgreSQL"}),
    ask_others="""\
你是一名SQL专家，现在需要阅读并理解下面的【数据库schema】描述，可能用到的【参考信息】，并运用数据库知识生成sql语句回答【用户问题】。
【用户问题】
{question}

【数据库schema】
{schema}

【参考信息】
{evidence}

【用户问题】
{question}

```sql""",
    repair="""\
你是一名{dialect}专家，之前回复用户问题的【SQL】查询未能产生正确的结果，你需要根据提供的【数据库schema】描述，可能用到的【参考信息】和不正确SQL的【执行结果】来进行纠正，请提供一个能够正确回复【用户问题】的更正SQL。
【数据库schema】
{schema}

【参考信息】
{evidence}

【用户问题】
{question}

【SQL】
{sql}

【执行结果】
{result}

【更正SQL】
```sql""",
    candidate="""\
候选{label}
【SQL】
{sql}
【执行结果】
{result}""",
    choose="""\
你是一名{dialect}专家，针对【用户问题】，下面有{count}条 候选【SQL】及该sql在数据库上的【执行结果】（展示前10行）；你需要比较这些候选，分析不同的候选【SQL】之间的差异。基于给出的【数据库schema】、【参考信息】和【用户问题】选择一个正确合理的结果。
【数据库schema】
{schema}

【参考信息】
{evidence}

【用户问题】
{question}

==========

{candidates}

请输出所选择的候选是{labels}""",
)

XIYAN_EN = Layout(
    ask="""\
You are a {dialect} expert. You need to read and understand the following【Database Schema】description and the possible provided【Evidence】, and use valid {dialect} knowledge to generate SQL for answering the【Question】.
【Question】
{question}

【Database Schema】
{schema}

【Evidence】
{evidence}

【Question】
{question}

```sql""",
)

OMNISQL = Layout(
    ask="""\
Task Overview:
You are a data science expert. Below, you are provided with a database schema and a natural language question. Your task is to understand the schema and generate a valid SQL query to answer the question.

Database Engine:
{dialect}

Database Schema:
{schema}
This schema describes the database's structure, including tables, columns, primary keys, foreign keys, and any relevant relationships or constraints.

Question:
{question}

Instructions:
- Make sure you only output the information that is asked in the question. If the question asks for a specific column, make sure to only include that column in the SELECT clause, nothing more.
- The generated query should return all of the information asked in the question without any missing or extra information.
- Before generating the final SQL query, please think through the steps of how to write the query.

Output Format:
In your answer, please enclose the generated SQL query in a code block:
```
-- Your SQL query
```

Take a deep breath and think step by step to find the correct SQL query.""",
    format="ddl",
)
