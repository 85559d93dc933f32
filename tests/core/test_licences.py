"""Which licence METADATA declares, and whether a list of licences allows it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.licenses import canonicalize_license_expression

from strongroom.core.licence_names import CLASSIFIERS, SPELLINGS
from strongroom.core.licences import is_permitted, read_licence

OSI = "Classifier: License :: OSI Approved :: "


def metadata(*lines: str) -> bytes:
    """Make METADATA of these headers."""
    return "\n".join(("Metadata-Version: 2.4", "Name: demo", *lines, "", "License: MIT", "")).encode()


@pytest.mark.parametrize(
    ("lines", "licence"),
    [
        (["License-Expression: mit"], "MIT"),
        (["License-Expression: mit or (apache-2.0 and bsd-3-clause)"], "MIT OR (Apache-2.0 AND BSD-3-Clause)"),
        (
            ["License-Expression: GPL-2.0-only with classpath-exception-2.0"],
            "GPL-2.0-only WITH Classpath-exception-2.0",
        ),
        (["License-Expression: LicenseRef-Acme"], "LicenseRef-Acme"),
        (["License-Expression: MIT", "License: GPL-3.0-only", f"{OSI}ISC License (ISCL)"], "MIT"),
        (["License-Expression: Ask us", "License: MIT"], ""),
        (["License-Expression: MIT", "License-Expression: ISC"], ""),
        (["License-Expression: "], ""),
        ([f"{OSI}MIT License"], "MIT"),
        ([f"{OSI}MIT License", "Classifier: License :: OSI Approved", "License: whatever"], "MIT"),
        ([f"{OSI}MIT License", f"{OSI}ISC License (ISCL)"], "ISC AND MIT"),
        ([f"{OSI}MIT License", f"{OSI}MIT License"], "MIT"),
        ([f"{OSI}Apache Software License"], ""),
        ([f"{OSI}Apache Software License", "License: Apache License 2.0"], "Apache-2.0"),
        ([f"{OSI}Apache Software License", f"{OSI}MIT License"], ""),
        ([f"{OSI}BSD License", "License: BSD-3-Clause"], "BSD-3-Clause"),
        (["Classifier: License :: Other/Proprietary License", "License: MIT"], "MIT"),
        (["License: bsd-3-clause"], "BSD-3-Clause"),
        (["License: MIT OR Apache-2.0"], "MIT OR Apache-2.0"),
        (["License: The  MIT License"], "MIT"),
        (["License: see LICENSE"], ""),
        (["License: UNKNOWN"], ""),
        (["License: Copyright (c) 2020 Acme", "  Permission is hereby granted ..."], ""),
        (["Classifier: Topic :: Software Development"], ""),
        ([], ""),
    ],
)
def test_what_metadata_declares(lines: list[str], licence: str) -> None:
    """The expression, else unambiguous classifiers, else the field; the description says nothing."""
    assert read_licence(metadata(*lines)) == licence
    assert read_licence(metadata(*lines).replace(b"\n", b"\r\n")) == licence


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"License", b"License: \xff", b"\n\nLicense: MIT", b":" * 100]
)
def test_what_is_no_metadata_declares_nothing(content: bytes) -> None:
    """And does no harm."""
    assert read_licence(content) == ""


@pytest.mark.parametrize(
    "text", ["(" * 5000 + "MIT" + ")" * 5000, "MIT OR " * 5000 + "MIT", "(" * 300, "\u0130", "MIT AND"]
)
def test_monstrous_expressions_declare_nothing(text: str) -> None:
    """Nor do they take long."""
    assert read_licence(metadata(f"License-Expression: {text}")) == ""
    assert not is_permitted(text, ["MIT"])


@pytest.mark.parametrize("licence", [*CLASSIFIERS.values(), *SPELLINGS.values()])
def test_the_tables_give_spdx(licence: str) -> None:
    """Each licence is written as SPDX does."""
    assert canonicalize_license_expression(licence) == licence


def test_the_tables_are_written_as_they_are_looked_up() -> None:
    """A spelling in the wrong case would never be found."""
    assert all(spelling == spelling.lower() for spelling in SPELLINGS)
    assert all(read_licence(metadata(f"{OSI}{name}")) == licence for name, licence in CLASSIFIERS.items())


@pytest.mark.parametrize(
    ("expression", "allowed", "permitted"),
    [
        ("MIT", ["MIT"], True),
        ("MIT", ["mit"], True),
        ("MIT", [], False),
        ("MIT", ["MIT-0"], False),
        ("MIT OR GPL-3.0-only", ["MIT"], True),
        ("MIT AND GPL-3.0-only", ["MIT"], False),
        ("MIT AND GPL-3.0-only", ["GPL-3.0-only", "MIT"], True),
        ("MIT AND GPL-3.0-only OR ISC", ["ISC"], True),
        ("ISC OR MIT AND GPL-3.0-only", ["MIT"], False),
        ("(ISC OR MIT) AND GPL-3.0-only", ["MIT"], False),
        ("(ISC OR MIT) AND (BSD-3-Clause OR GPL-3.0-only)", ["MIT", "BSD-3-Clause"], True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", ["GPL-2.0-only"], True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", ["gpl-2.0-only with classpath-exception-2.0"], True),
        ("GPL-2.0-only", ["GPL-2.0-only WITH Classpath-exception-2.0"], False),
        ("GPL-2.0-only WITH GCC-exception-2.0", ["GPL-2.0-only WITH Classpath-exception-2.0"], False),
        ("MIT OR GPL-2.0-only WITH Classpath-exception-2.0 AND ISC", ["GPL-2.0-only"], False),
        ("GPL-2.0", ["GPL-2.0-only"], True),
        ("GPL-2.0+", ["GPL-2.0-or-later"], True),
        ("GPL-2.0-or-later", ["GPL-2.0+"], True),
        ("GPL-2.0-or-later", ["GPL-2.0-only"], False),
        ("LGPL-3.0 WITH LLVM-exception", ["LGPL-3.0-only WITH LLVM-exception"], True),
        ("AGPL-3.0", ["AGPL-3.0-only"], True),
        ("Apache-2.0+", ["Apache-2.0"], False),
        ("LicenseRef-Acme", ["LicenseRef-Acme"], True),
        ("Proprietary", ["MIT"], False),
        ("Proprietary", ["Proprietary"], True),
        ("", ["MIT"], False),
        ("MIT OR", ["MIT"], False),
        ("MIT ISC", ["MIT", "ISC"], False),
        (") MIT (", ["MIT"], False),
    ],
)
def test_what_is_permitted(expression: str, allowed: list[str], permitted: bool) -> None:  # noqa: FBT001 - a case
    """One side of an OR, both of an AND, an exception with its licence or by the bare licence."""
    assert is_permitted(expression, allowed) is permitted
    assert is_permitted(expression.lower(), tuple(allowed)) is permitted


LICENCES = st.sampled_from(["MIT", "ISC", "BSD-3-Clause", "GPL-2.0-only"])
EXPRESSIONS = st.recursive(
    LICENCES, lambda inner: st.builds("{} {} ({})".format, inner, st.sampled_from(["AND", "OR"]), inner), max_leaves=8
)


@given(EXPRESSIONS, st.sets(LICENCES))
def test_it_is_logic(expression: str, allowed: set[str]) -> None:
    """Python's own `and` and `or` bind as SPDX's do."""
    formula = expression.replace("AND", "and").replace("OR", "or")
    for licence in ("MIT", "ISC", "BSD-3-Clause", "GPL-2.0-only"):
        formula = formula.replace(licence, str(licence in allowed))
    assert is_permitted(expression, allowed) == eval(formula, {})
