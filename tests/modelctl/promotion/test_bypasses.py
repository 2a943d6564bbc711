"""Ways around the promotion rules that a branch may try: each is refused, with real git."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.modelctl.conftest import ENVIRONMENTS, VALUES
from tests.modelctl.promotion.attacks import (
    NEITHER,
    SETTINGS,
    TOGETHER,
    Attack,
    edit,
    executable,
    folder_for_file,
    link,
    move,
    put,
    refused,
    remove,
    submodule,
    together,
)
from tests.modelctl.promotion.judged import (
    DEV,
    EVIL,
    NEW,
    PRODUCTION,
    RULES,
    STAGING,
)


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        pytest.param(put(PRODUCTION, EVIL), NEITHER, id="a-version-of-nowhere"),
        pytest.param(
            together(put(DEV, EVIL), put(PRODUCTION, EVIL)), NEITHER, id="both-ends-at-once"
        ),
        pytest.param(
            together(put(STAGING, EVIL), put(PRODUCTION, EVIL)), NEITHER, id="source-in-the-change"
        ),
        pytest.param(
            together(edit(RULES, "promotion: pull-request", "promotion: auto"), put(STAGING, EVIL)),
            r"promotion: auto` is for the first|at once",
            id="every-environment-takes-builds",
        ),
        pytest.param(
            together(
                put(RULES, ENVIRONMENTS.replace("name: staging", "name: stagin2")),
                move("environments/staging", "environments/stagin2"),
            ),
            TOGETHER,
            id="environment-renamed-with-its-versions",
        ),
        pytest.param(
            together(edit("modelctl/promotion/rules.py", "True", "False"), put(PRODUCTION, NEW)),
            TOGETHER,
            id="the-judge-and-a-version",
        ),
        pytest.param(
            together(put("GNUmakefile", "all:\n"), put(PRODUCTION, NEW)), TOGETHER, id="a-makefile"
        ),
        pytest.param(
            together(put(".github/workflows/b.yml", "on: push\n"), put(PRODUCTION, NEW)),
            TOGETHER,
            id="a-workflow-and-a-version",
        ),
        pytest.param(
            together(put(".gitattributes", "* ident\n"), put(PRODUCTION, NEW)),
            TOGETHER,
            id="attributes-and-a-version",
        ),
        pytest.param(
            together(
                put(
                    "charts/ml-model/values.yaml", VALUES.replace("@file version", "@file settings")
                ),
                put("charts/ml-model/Chart.yaml", "name: ml-model\nversion: 0.2.0\n"),
                put(SETTINGS, "image:\n  repository: evil.example/iris\n"),
            ),
            "belongs in version.yaml, not in settings.yaml",
            id="a-marker-and-what-it-allows",
        ),
        pytest.param(remove(DEV), "still released in staging, production", id="retired-too-early"),
        pytest.param(
            move("environments/dev/iris", "environments/dev/iris2"),
            "still released in staging, production",
            id="retired-by-renaming-the-model",
        ),
        pytest.param(
            move(DEV, "environments/dev/other/version.yaml"),
            "still released in staging, production|missing",
            id="retired-by-moving-the-file",
        ),
        pytest.param(
            together(
                move("environments/production/iris", "environments/production/iris2"),
                put("environments/staging/iris2/settings.yaml", "{}\n"),
                put("environments/staging/iris2/capacity.yaml", "{}\n"),
                put("environments/dev/iris2/settings.yaml", "{}\n"),
                put("environments/dev/iris2/capacity.yaml", "{}\n"),
            ),
            f"iris2/version.yaml: 1.0.0 is {NEITHER}",
            id="renamed-where-it-was-never-promoted",
        ),
        pytest.param(
            move("environments/production/iris", "environments/production/irís"),
            "irís.*unknown file",
            id="a-name-that-is-not-ascii",
        ),
        pytest.param(
            move("environments/production/iris", "environments/production/a\nb\x1e"),
            r"unknown file",
            id="a-name-with-line-breaks",
        ),
        pytest.param(
            move(PRODUCTION, "environments/production/iris/Version.yaml"),
            "unknown file",
            id="another-case",
        ),
        pytest.param(
            put("environments/production/iris/deeper/version.yaml", EVIL),
            "unknown file",
            id="a-version-file-that-a-pattern-of-argo-cd-finds-too",
        ),
        pytest.param(folder_for_file(PRODUCTION), "unknown file", id="a-folder-for-a-file"),
        pytest.param(
            submodule("environments/production/iris"),
            "unknown file|missing|a submodule",
            id="a-submodule-for-a-folder",
        ),
        pytest.param(
            link(PRODUCTION, "../../dev/iris/version.yaml"), "a symbolic link", id="a-link"
        ),
        pytest.param(
            together(
                put("secret.yaml", EVIL),
                link("charts/ml-model/templates.yaml", "../../secret.yaml"),
            ),
            "a symbolic link",
            id="a-link-in-the-chart",
        ),
        pytest.param(
            together(put("owners", "* @me\n"), link(".github/CODEOWNERS", "../owners")),
            "a symbolic link",
            id="a-link-for-the-owners",
        ),
        pytest.param(executable(PRODUCTION), "an executable file", id="a-mode"),
        pytest.param(remove("environments/production/common.yaml"), "missing", id="no-common"),
        pytest.param(remove(SETTINGS), "missing", id="no-settings"),
        pytest.param(remove("environments/production"), "missing", id="no-environment"),
        pytest.param(
            put("charts/ml-model/.helmignore", "templates/networkpolicy.yaml\n"),
            "raise the version",
            id="a-chart-without-a-template",
        ),
        pytest.param(
            remove("charts/ml-model/Chart.yaml"),
            "Chart.yaml: missing",
            id="a-chart-without-version",
        ),
        *(
            pytest.param(
                put("charts/ml-model/Chart.yaml", f"name: ml-model\n{version}\n"),
                "expected `version`",
                id=f"a-chart-with-{version or 'no-version'}",
            )
            for version in ("", "version: null", "version: [1]", "version: 2")
        ),
        *(
            pytest.param(together(put(name, "x\n"), put(PRODUCTION, NEW)), TOGETHER, id=name)
            for name in (
                "sitecustomize.pyc",
                "usercustomize.so",
                "evil-1.0.dist-info/entry_points.txt",
                "evil.egg-info/entry_points.txt",
                ".venv/bin/modelctl",
                ".tools/bin/helm4",
                "kustomize/.gitattributes",
            )
        ),
        pytest.param(
            put("environments/environments.yml", "environments: []\n"),
            "unknown file",
            id="a-second-list-of-environments",
        ),
    ],
)
def test_a_bypass_is_refused(target: Path, attack: Attack, message: str) -> None:
    attack(target)
    refused(target, message)
