"""What an arm of a running experiment serves stays, unless production has to come back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelctl.errors import ModelctlError, RefusedError
from tests.modelctl.conftest import commit_all, make_bundle, run, variant
from tests.modelctl.promotion.judged import (
    DEV,
    NEW,
    OLD,
    PRODUCTION,
    STAGING,
    commit,
    freeze,
    git,
    judge,
    merge,
    write,
)
from tests.modelctl.promotion.test_experiment_rules import FILE, SETTINGS, TEXT, put, route

FOREST, TREE = (f"environments/production/iris/variants/{name}.yaml" for name in ("forest", "tree"))
ENV = ("--env", "production")
THIRD = NEW.replace("1.1.0", "1.2.0")
MESSAGE = "the version of {} would change while an experiment of 'iris' runs in 'production'"


@pytest.fixture
def asked(target: Path) -> Path:
    """An experiment runs in production with 1.0.0 and the variant forest, 1.1.0."""
    git("switch", "--quiet", "main")
    put(target)
    write(target, {FOREST: variant("forest", 20, NEW)})
    commit_all(target, "ask a question")
    git("switch", "--quiet", "--force-create", "change")
    return target


@pytest.mark.parametrize(
    ("arm", "files"),
    [
        pytest.param("primary", {PRODUCTION: NEW}, id="promotion"),
        pytest.param("forest", {FOREST: variant("forest", 20, OLD)}, id="variant"),
    ],
)
@pytest.mark.parametrize("end", ["stop", "drop", "replan"])
def test_another_version_needs_the_experiment_to_end_in_the_same_change(
    asked: Path, arm: str, files: dict[str, str], end: str
) -> None:
    commit(asked, **files)
    with pytest.raises(RefusedError) as caught:
        judge()
    assert MESSAGE.format(arm) in str(caught.value)
    assert next(iter(files)) in str(caught.value)
    assert "modelctl experiment stop iris --env production" in str(caught.value)
    if end == "stop":
        run("experiment", "stop", "iris", *ENV)
    elif end == "drop":
        (asked / FILE).unlink()
    else:
        (asked / FILE).write_text(TEXT.replace("2026-11-01", "2998-11-01"))
    commit_all(asked, "end it")
    assert "no problems" in judge()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TEXT.replace("2026-11-01", "2998-11-01"), id="planned"),
        pytest.param(TEXT.replace("2999-11-15", "2026-11-15"), id="ended"),
    ],
)
def test_outside_of_the_experiment_versions_are_free(asked: Path, text: str) -> None:
    git("switch", "--quiet", "main")
    commit(asked, **{FILE: text})
    git("switch", "--quiet", "--force-create", "change")
    run("promote", "iris", "--to", "production", "--no-live")
    commit_all(asked, "promote")
    assert "no problems" in judge()


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({FOREST: variant("forest", 20, NEW) + "    replicaCount: 3\n"}, id="pods"),
        pytest.param({SETTINGS: route() + "config:\n  logLevel: debug\n"}, id="settings"),
        pytest.param({TREE: variant("tree", 0, NEW)}, id="variant-without-users"),
    ],
)
def test_what_no_unit_meets_is_free(asked: Path, files: dict[str, str]) -> None:
    commit(asked, **files)
    assert "no problems" in judge()


@pytest.fixture
def promoted_before(asked: Path) -> Path:
    """The same, where 1.1.0 replaced 1.0.0 in production before the experiment."""
    git("switch", "--quiet", "main")
    (asked / FILE).unlink()
    commit_all(asked, "no experiment yet")
    commit(asked, "promote", **{PRODUCTION: NEW})
    commit(asked, "ask", **{FILE: TEXT})
    git("switch", "--quiet", "--force-create", "change")
    return asked


@pytest.mark.parametrize("options", [(), ("--aborted",)], ids=["decided", "aborted"])
def test_production_always_comes_back_and_the_experiment_is_void(
    promoted_before: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    text = run("rollback", "iris", *ENV, "--no-registry", "--reason", "wrong", *options)
    assert "warning: the experiment of 'iris' in 'production' becomes void" in text
    commit_all(promoted_before, "roll back")
    assert "no problems" in judge()
    merge("change")
    (entry,) = json.loads(run("experiment", "status", "--output", "json"))
    assert [each["arm"] for each in entry["changed"]][-1] == "primary"
    assert "void" in run("experiment", "status")
    path = tmp_path / "outcomes.csv"
    path.write_text("\n".join(["unit,accepted,seconds", *(f"u{n},{n % 2},1" for n in range(999))]))
    analyze = ("experiment", "analyze", "iris", *ENV, "--outcomes", str(path))
    with pytest.raises(RefusedError, match="the experiment is void: the version of") as refused:
        run(*analyze)
    assert "--at '" in refused.value.fix
    # Before that moment both arms had one version each.
    assert "before the planned end" in run(*analyze, "--at", "2026-11-02")


def test_a_rollback_that_breaks_a_freeze_passes_too(promoted_before: Path) -> None:
    freeze(promoted_before)
    run("rollback", "iris", *ENV, "--no-registry", "--reason", "wrong", "--break-freeze")
    commit_all(promoted_before, "Roll back iris to 1.0.0 in production: wrong")
    assert "no problems" in judge()


def test_a_variant_comes_back_as_it_was_too(asked: Path) -> None:
    git("switch", "--quiet", "main")
    commit(asked, "slipped through", **{FOREST: variant("forest", 20, OLD)})
    git("switch", "--quiet", "--force-create", "change")
    commit(asked, **{FOREST: variant("forest", 20, NEW)})
    assert "no problems" in judge()


class TestCommands:
    """They refuse before they write."""

    def refused(self, arm: str, *words: str) -> None:
        with pytest.raises(RefusedError) as caught:
            run(*words)
        assert MESSAGE.format(arm).replace("production", words[-1]) in str(caught.value)
        assert git("status", "--porcelain") == ""

    @pytest.mark.usefixtures("asked")
    def test_promote(self) -> None:
        self.refused("primary", "promote", "iris", "--no-live", "--to", "production")

    @pytest.mark.usefixtures("asked")
    def test_promote_all_ready_leaves_the_model_out(self) -> None:
        text = run("promote", "--all-ready", "--no-live", "--to", "production")
        assert "not ready: " in text
        assert "experiment" in text

    def test_bump(self, asked: Path, tmp_path: Path) -> None:
        git("switch", "--quiet", "main")
        moved = {name.replace("production", "dev"): (asked / name) for name in (FILE, FOREST)}
        dev_settings = SETTINGS.replace("production", "dev")
        commit(
            asked,
            **{name: path.read_text() for name, path in moved.items()},
            **{dev_settings: route()},
        )
        folder = tmp_path / "bundle"
        make_bundle(folder, "1.3.0")
        image = "registry.example/iris:1.3.0@sha256:" + "c" * 64
        words = ("bump", "iris", "--image", image, "--bundle", str(folder), "--env", "dev")
        self.refused("primary", *words)
        # Another chart is another way to run the same model, in both arms.
        run("bump", "iris", "--chart-version", "0.2.0", "--env", "dev")

    def test_variant_add(self, asked: Path) -> None:
        git("switch", "--quiet", "main")
        commit(asked, "1.2.0", **{STAGING: THIRD, DEV: THIRD})
        self.refused("forest", "variant", "add", "iris", "forest", "--share", "20", *ENV)

    @pytest.mark.usefixtures("asked")
    def test_variant_share(self) -> None:
        """In the words of the required check; a smaller share too, as that compares others."""
        for share in ("10", "30"):
            with pytest.raises(RefusedError) as caught:
                run("variant", "share", "iris", "forest", share, *ENV)
            assert str(caught.value) == (
                f"{FILE}:7: arms.forest: the share is {share} in variants/forest.yaml: expected 20 "
                "from `start` to `end`; other shares compare other units; wait until "
                "2999-11-15T00:00:00+00:00, or stop it first: `modelctl experiment stop iris --env "
                "production`"
            )
            assert git("status", "--porcelain") == ""
        run("experiment", "stop", "iris", *ENV)
        run("variant", "share", "iris", "forest", "30", *ENV)

    def test_a_share_that_slipped_through_can_be_repaired(self, asked: Path) -> None:
        commit(asked, "slipped through", **{FOREST: variant("forest", 50, NEW)})
        run("variant", "share", "iris", "forest", "20", *ENV)
        assert "no problems" in run("check")

    def test_variant_promote_of_another_one(self, asked: Path) -> None:
        git("switch", "--quiet", "main")
        commit(asked, "a variant without users", **{TREE: variant("tree", 0, NEW)})
        self.refused("primary", "variant", "promote", "iris", "tree", *ENV)

    def test_variant_promote_of_an_arm_stops_it_and_it_is_not_void(self, asked: Path) -> None:
        run("variant", "promote", "iris", "forest", *ENV)
        commit_all(asked, "promote the winner")
        assert "no problems" in judge()
        merge("change")
        (entry,) = json.loads(run("experiment", "status", "--output", "json"))
        assert (entry["state"], entry["changed"]) == ("ended", [])

    def test_stop_is_written_once_and_needs_an_experiment(self, asked: Path) -> None:
        run("experiment", "stop", "iris", *ENV)
        assert "stopped: " in (asked / FILE).read_text()
        commit_all(asked, "stop")
        assert "has ended already" in run("experiment", "stop", "iris", *ENV)
        with pytest.raises(ModelctlError, match="no experiment with 'iris' in 'dev'"):
            run("experiment", "stop", "iris", "--env", "dev")

    def test_stop_waits_for_the_end_of_a_freeze(self, asked: Path) -> None:
        freeze(asked)
        with pytest.raises(RefusedError, match="is frozen for 'iris'"):
            run("experiment", "stop", "iris", *ENV)
