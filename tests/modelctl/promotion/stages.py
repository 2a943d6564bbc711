"""A repository in which everything that a command may write about is there, at each stage of an
experiment."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from modelctl.repository import codeowners, verifications
from modelctl.repository.checkout import Repository
from modelctl.repository.environments import CHART
from tests import rendering
from tests.modelctl.conftest import ENVIRONMENTS, VERSION, commit_all, make_bundle, run, variant
from tests.modelctl.promotion.judged import RULES, write
from tests.modelctl.promotion.test_experiment_rules import TEXT, route

NAMES = ("dev", "staging", "production")
MODELS = ("iris", "wine", "rice")
EXPERIMENTS = [
    f"environments/{place}/experiment.yaml"
    for place in ("dev/iris", "production/iris", "production/wine")
]
# As text, so that a version file of these is one of the fixtures' version with another number.
FIRST, OLD, NEW, NEXT = (
    VERSION.replace("1.0.0", each) for each in ("0.9.0", "1.0.0", "1.1.0", "1.2.0")
)
RULES_TEXT = (
    ENVIRONMENTS.replace("name: dev\n", "name: dev\n    verification: [sample]\n").replace(
        "promotion: pull-request", "promotion: automatic", 1
    )
    + "    overrides:\n      rules: [order, abort]\n      approvers: ['@ml-team']\n"
)
STAGES = {
    "none": None,
    "planned": TEXT.replace("2026-11-01", "2998-11-01"),
    "running": TEXT,
    "ended": TEXT.replace("2999-11-15", "2026-11-15"),
    "stopped": TEXT + 'stopped: "2026-11-20T00:00:00Z"\n',
    "frozen": TEXT,
}


def build(root: Path, stage: str) -> None:
    """Turn the checkout of the fixture `repo` into `main` at a stage, with a bundle beside it.

    iris has variants in all environments: the arm forest, tree without users and the shadow dusk;
    wine has the arm in production. rice is released in the first two environments.
    """
    subprocess.run(["git", "branch", "--move", "main"], check=True)
    for name in ("values.yaml", "values.schema.json"):
        shutil.copy(rendering.CHART / name, root / CHART / name)
    write(root, {RULES: RULES_TEXT})
    write(root, {codeowners.FILE: codeowners.text("", Repository.find(root).environments)})
    for name in NAMES:
        folder, unit = f"environments/{name}", "x-other" if name == "staging" else "x-user-id"
        for model in MODELS:
            write(root, {f"{folder}/{model}/settings.yaml": route(f"header: {unit}")})
            write(root, {f"{folder}/{model}/capacity.yaml": "replicaCount: 1\n"})
    commit_all(root, "files")
    for version, places in ((FIRST, NAMES), (OLD, NAMES), (NEW, NAMES[:2]), (NEXT, NAMES[:1])):
        write(root, {f"environments/{name}/iris/version.yaml": version for name in places})
        commit_all(root, "release iris")
    for model, places in (("wine", NAMES), ("rice", NAMES[:2])):
        write(root, {f"environments/{name}/{model}/version.yaml": OLD for name in places})
        commit_all(root, f"release {model}")
    for name in NAMES:
        write(root, _variants(f"environments/{name}/iris/variants"))
    write(root, {"environments/production/wine/variants/forest.yaml": variant("forest", 20, OLD)})
    if text := STAGES[stage]:
        write(root, dict.fromkeys(EXPERIMENTS, text))
    commit_all(root, "variants")
    if stage == "frozen":
        for name in ("dev", "production"):
            run("freeze", name, "--until", "2999-12-24", "--reason", "audit")
            commit_all(root, "freeze")
    _verify(root)
    make_bundle(root.parent / "bundle", "1.3.0")


def _variants(folder: str) -> dict[str, str]:
    shadow = variant("dusk", 0, OLD).replace("share: 0", "mirror:\n      percent: 50")
    texts = {"forest": variant("forest", 20, NEW), "tree": variant("tree", 0, NEW), "dusk": shadow}
    return {f"{folder}/{name}.yaml": text for name, text in texts.items()}


def _verify(root: Path) -> None:
    """Record that what is in dev works; test_verification does it with a service."""
    repository = Repository.find(root)
    dev = repository.environment("dev")
    for model in MODELS:
        version = repository.version(dev, model)
        assert version is not None
        verifications.record(repository, dev, model, version, {"sample": 10})
