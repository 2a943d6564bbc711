"""Variants pass the rules of promotions, whether a command or a person wrote them."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelctl.errors import ModelctlError, RefusedError
from modelctl.promotion import check
from modelctl.repository.checkout import Repository
from tests.modelctl.conftest import ENVIRONMENTS, VERSION, commit_all, git, run, variant
from tests.modelctl.promotion.judged import (
    EVIL,
    NEW,
    OLD,
    PRODUCTION,
    RULES,
    commit,
    freeze,
    judge,
    merge,
    soaking,
    write,
)

FOREST = PRODUCTION.replace("version.yaml", "variants/forest.yaml")
DEV_FOREST = FOREST.replace("production", "dev")
STAGING_FOREST = FOREST.replace("production", "staging")
ENV = ("--env", "production")


def problems(root: Path) -> str:
    """What `check` says of files."""
    return "\n".join(check.file_violations(Repository.find(root)))


def refusal(*options: str) -> str:
    with pytest.raises(RefusedError) as refused:
        judge(*options)
    return str(refused.value)


class TestFiles:
    """What `modelctl check` accepts in `variants/`."""

    def test_a_variant_of_a_release_is_fine(self, target: Path) -> None:
        write(target, {FOREST: variant("forest", 10, NEW)})
        assert problems(target) == ""

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            pytest.param("forest.yml", variant("forest"), "unknown file", id="suffix"),
            pytest.param("canary.yaml", variant("canary"), "is reserved", id="reserved"),
            *(
                pytest.param(f"{word}.yaml", variant(word), f"'{word}' is a boolean", id=word)
                for word in ("y", "n", "yes", "no", "on", "off", "true", "false", "null")
            ),
            pytest.param("Forest.yaml", variant("Forest"), "invalid variant name", id="case"),
            pytest.param("forest.yaml", variant("tree"), "variants.tree", id="other-name"),
            pytest.param("forest.yaml", "share: 10\n", "share: not a value", id="flat"),
            pytest.param("forest.yaml", VERSION, "belongs in version.yaml", id="version"),
            pytest.param("forest.yaml", variant("forest", 200), "less than or equal", id="share"),
            pytest.param("forest.yaml", "variants: {}\n", "at least 1 item", id="empty"),
        ],
    )
    def test_others_are_refused(self, target: Path, name: str, text: str, message: str) -> None:
        write(target, {FOREST.replace("forest.yaml", name): text})
        assert message in problems(target)

    def test_variants_are_values_of_their_own_files_alone(self, target: Path) -> None:
        settings = PRODUCTION.replace("version", "settings")
        write(target, {settings: variant("forest")})
        assert "variants.forest.image.repository: belongs in variants/NAME.yaml" in problems(target)

    def test_shares_that_the_chart_refuses_are_refused(self, target: Path) -> None:
        for name, share in (("a", 60), ("b", 60)):
            write(target, {FOREST.replace("forest", name): variant(name, share)})
        assert "variants: the shares exceed 100 %: a 60 %, b 60 %" in problems(target)
        for name in ("a", "b", "c"):
            write(target, {FOREST.replace("forest", name): variant(name, 5)})
        assert "a, b, c have a share: expected at most 2" in problems(target)

    @pytest.mark.parametrize(
        ("first", "second", "shared"),
        [
            ("iris/variants/forest", "iris-forest/settings", "iris-forest"),
            ("iris/variants/a-b", "iris-a/variants/b", "iris-a-b"),
            ("iris/variants/a", "iris/variants/a-jwt", "iris-a-jwt"),
            *(
                ("iris/settings", f"iris-{suffix}/settings", f"iris-{suffix}")
                for suffix in ("canary", "stable", "preview", "headless", "waypoint", "watch")
            ),
        ],
    )
    def test_objects_of_other_releases_keep_their_names(
        self, target: Path, first: str, second: str, shared: str
    ) -> None:
        """Also if the first is on the target branch already, and the branch adds the second."""
        for place in (first, second):
            head, _, stem = place.rpartition("/")
            text = variant(stem, 0, NEW) if head.endswith("variants") else "{}\n"
            # The name decides, before anything else of the folder is complete.
            write(target, {f"environments/production/{place}.yaml": text})
            if place == first:
                assert "has objects named" not in problems(target)
                commit_all(target, "first")
                git(target, "branch", "--force", "main")
        assert f"has objects named {shared} too" in problems(target)
        commit_all(target, "second")
        with pytest.raises(RefusedError, match=f"has objects named {shared} too"):
            judge()

    def test_nothing_renders_variants_of_a_model_without_a_release(self, target: Path) -> None:
        write(target, {FOREST: variant("forest")})
        (target / PRODUCTION).unlink()
        assert "'iris' is not released here" in problems(target)


class TestJudge:
    """What the required check says of a branch."""

    def test_what_ran_in_every_environment_before_passes(self, target: Path) -> None:
        commit(target, **{FOREST: variant("forest", 10, NEW)})
        assert "no problems" in judge()

    def test_what_ran_here_before_passes(self, target: Path) -> None:
        commit(target, **{FOREST: variant("forest", 10, OLD)})
        assert "no problems" in judge()

    def test_what_never_ran_is_refused(self, target: Path) -> None:
        commit(target, **{FOREST: variant("forest", 10, EVIL)})
        assert "6.6.6 of 'iris' never ran in 'staging'" in refusal()

    def test_a_version_that_only_passes_through_is_refused(self, target: Path) -> None:
        """A merge may keep the commits, and the next branch would find that it ran."""
        commit(target, **{FOREST: variant("forest", 10, EVIL)})
        commit(target, **{FOREST: variant("forest", 10, NEW)})
        assert "6.6.6 of 'iris' never ran in 'staging'" in refusal()

    def test_a_renamed_variant_is_no_way_around(self, target: Path) -> None:
        commit(target, **{FOREST: variant("forest", 10, NEW)})
        git(target, "mv", FOREST, FOREST.replace("forest", "tree"))
        commit(target, **{FOREST.replace("forest", "tree"): variant("tree", 10, EVIL)})
        assert "variants/tree.yaml: 6.6.6 of 'iris' never ran in 'staging'" in refusal()

    def test_the_first_environment_takes_new_builds(self, target: Path) -> None:
        commit(target, **{DEV_FOREST: variant("forest", 10, EVIL)})
        assert "no problems" in judge()

    def test_a_variant_goes_through_the_environments_like_a_version(self, target: Path) -> None:
        for path in (DEV_FOREST, STAGING_FOREST, FOREST):
            commit(target, **{path: variant("forest", 10, EVIL)})
            assert "no problems" in judge()
            merge("change")
            git(target, "switch", "--quiet", "--force-create", "change")

    def test_the_same_change_is_no_proof_of_an_environment_before(self, target: Path) -> None:
        texts = dict.fromkeys((DEV_FOREST, STAGING_FOREST), variant("forest", 10, EVIL))
        commit(target, **texts)
        assert "6.6.6 of 'iris' never ran in 'dev'" in refusal()

    def test_the_soak_time_counts_for_variants(self, target: Path) -> None:
        soaking(target)
        commit(target, **{FOREST: variant("forest", 10, NEW)})
        assert "requires a soak time of 60 min in 'staging': 1.1.0 was there for" in refusal()

    def test_a_share_is_like_a_setting(self, target: Path) -> None:
        commit(target, **{FOREST: variant("forest", 10, NEW)})
        merge("change")
        soaking(target)
        commit(target, **{FOREST: variant("forest", 20, NEW)})
        assert "no problems" in judge()

    def test_a_freeze_covers_variants(self, target: Path) -> None:
        freeze(target)
        commit(target, **{FOREST: variant("forest", 10, NEW)})
        assert "is frozen for 'iris' until" in refusal()

    def test_rules_and_variants_do_not_change_together(self, target: Path) -> None:
        text = ENVIRONMENTS.replace("ml-production", "ml-live")
        commit(target, **{FOREST: variant("forest", 10, NEW), RULES: text})
        assert "this changes rules (environments/environments.yaml) and versions" in refusal()

    def test_the_winner_becomes_the_version(self, target: Path) -> None:
        commit(target, **{FOREST: variant("forest", 10, NEW)})
        merge("change")
        soaking(target)  # it is already here
        run("variant", "promote", "iris", "forest", *ENV)
        commit_all(target, "winner")
        assert "no problems" in judge()
        assert (target / PRODUCTION).read_text() == NEW
        assert not (target / FOREST).parent.exists()

    def test_a_winner_of_the_same_change_is_none(self, target: Path) -> None:
        commit(target, **{FOREST: variant("forest", 10, NEW)})
        commit(target, **{PRODUCTION: EVIL})
        assert "neither the version of the environment previous" in refusal()

    def test_a_winner_with_another_chart_is_none(self, target: Path) -> None:
        commit(target, **{FOREST: variant("forest", 10, NEW)})
        merge("change")
        git(target, "switch", "--quiet", "--force-create", "change")
        text = NEW.replace("chart:\n  version: 1.1.0", "chart:\n  version: 9.9.9")
        text = text.replace("chart:\n  version: 0.1.0", "chart:\n  version: 9.9.9")
        commit(target, **{PRODUCTION: text})
        assert "neither the version of the environment previous" in refusal()


class TestCommands:
    """`modelctl variant`."""

    def test_add_takes_the_version_of_the_environment_before(self, target: Path) -> None:
        text = run("variant", "add", "iris", "forest", *ENV, "--share", "10")
        assert "+    share: 10" in text
        assert f"git add {FOREST} && git commit -m 'Add variant forest 1.1.0 of iris to" in text
        assert (target / FOREST).read_text() == variant("forest", 10, NEW)
        assert problems(target) == ""

    def test_add_twice_changes_nothing(self, target: Path) -> None:
        arguments = ("variant", "add", "iris", "forest", *ENV, "--mirror", "100")
        run(*arguments)
        commit_all(target, "shadow")
        assert "is already up to date" in run(*arguments)

    def test_a_dry_run_writes_nothing(self, target: Path) -> None:
        text = run("variant", "add", "iris", "forest", *ENV, "--share", "1", "--dry-run")
        assert "dry run: nothing written" in text
        assert not (target / FOREST).exists()

    def test_add_writes_testers_and_pods(self, target: Path) -> None:
        options = ("--match", "X-Variant=forest", "--replicas", "2")
        run("variant", "add", "iris", "forest", *ENV, *options)
        text = (target / FOREST).read_text()
        assert "    match:\n      header: X-Variant\n      value: forest\n" in text
        assert "    replicaCount: 2\n" in text
        assert problems(target) == ""

    def test_add_takes_the_variant_of_the_same_name(self, target: Path) -> None:
        commit(target, **{STAGING_FOREST: variant("forest", 10, OLD)})
        run("variant", "add", "iris", "forest", *ENV, "--share", "10")
        assert (target / FOREST).read_text() == variant("forest", 10, OLD)

    def test_add_refuses_what_skips_an_environment(self, target: Path) -> None:
        commit(target, **{DEV_FOREST: variant("forest", 10, EVIL)})
        with pytest.raises(RefusedError, match=r"6\.6\.6 of 'iris' never ran in 'staging'"):
            run("variant", "add", "iris", "forest", *ENV, "--from", "dev", "--share", "10")

    def test_add_refuses_a_third_share(self, target: Path) -> None:
        for name in ("a", "b"):
            commit(target, **{FOREST.replace("forest", name): variant(name, 5, OLD)})
        with pytest.raises(RefusedError, match="a, b, forest have a share: expected at most 2"):
            run("variant", "add", "iris", "forest", *ENV, "--share", "10")

    def test_add_refuses_the_names_of_another_model(self, target: Path) -> None:
        folder = FOREST.replace("iris/variants/forest.yaml", "iris-forest")
        write(target, {f"{folder}/settings.yaml": "{}\n"})
        with pytest.raises(RefusedError, match="'iris-forest' has objects named iris-forest too"):
            run("variant", "add", "iris", "forest", *ENV, "--share", "10")

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("--match", "bad header=1"), "match.header: "),
            (("--match", "=x"), "match.header: "),
            (("--match", f"x={'y' * 201}"), "match.value: "),
            (("--share", "10", "--replicas", "0"), "found replicaCount 0"),
            (("--match", "x=y", "--replicas", "0"), "found replicaCount 0"),
        ],
    )
    @pytest.mark.usefixtures("target")
    def test_add_names_what_is_wrong(self, options: tuple[str, ...], message: str) -> None:
        with pytest.raises(ModelctlError, match=message):
            run("variant", "add", "iris", "forest", *ENV, *options)

    def test_share_refuses_a_variant_without_pods(self, target: Path) -> None:
        run("variant", "add", "iris", "forest", *ENV, "--replicas", "0")
        commit_all(target, "idle")
        with pytest.raises(ModelctlError, match="found replicaCount 0"):
            run("variant", "share", "iris", "forest", "10", *ENV)

    def test_a_variant_without_pods_never_ran(self, target: Path) -> None:
        commit(target, **{STAGING_FOREST: variant("forest", 0, EVIL) + "    replicaCount: 0\n"})
        with pytest.raises(RefusedError, match=r"6\.6\.6 of 'iris' never ran in 'staging'"):
            run("variant", "add", "iris", "forest", *ENV, "--share", "10")

    def test_add_refuses_a_freeze(self, target: Path) -> None:
        freeze(target)
        with pytest.raises(RefusedError, match="is frozen for 'iris'"):
            run("variant", "add", "iris", "forest", *ENV, "--share", "10")

    @pytest.mark.usefixtures("target")
    def test_an_arm_is_no_shadow(self) -> None:
        with pytest.raises(ModelctlError, match="a variant is an arm or a shadow"):
            run("variant", "add", "iris", "forest", *ENV, "--share", "1", "--mirror", "1")

    @pytest.mark.usefixtures("target")
    def test_the_first_environment_asks_for_a_build(self) -> None:
        with pytest.raises(ModelctlError, match="which version 'forest' is to have"):
            run("variant", "add", "iris", "forest", "--env", "dev", "--share", "1")

    def test_share_changes_the_share_alone(self, target: Path) -> None:
        commit(target, **{FOREST: f"# ours\n{variant('forest', 10, NEW)}"})
        run("variant", "share", "iris", "forest", "25", *ENV)
        assert (target / FOREST).read_text() == f"# ours\n{variant('forest', 25, NEW)}"

    def test_a_shadow_becomes_an_arm(self, target: Path) -> None:
        run("variant", "add", "iris", "forest", *ENV, "--mirror", "100")
        commit_all(target, "shadow")
        run("variant", "share", "iris", "forest", "10", *ENV)
        assert (target / FOREST).read_text() == variant("forest", 10, NEW)

    def test_remove_leaves_nothing(self, target: Path) -> None:
        commit(target, **{FOREST: variant("forest", 10, NEW)})
        run("variant", "remove", "iris", "forest", *ENV)
        assert not (target / FOREST).parent.exists()

    @pytest.mark.parametrize("words", [("share", "1"), ("remove",), ("promote",)], ids=str)
    def test_an_unknown_variant_is_named(self, target: Path, words: tuple[str, ...]) -> None:
        del target
        with pytest.raises(ModelctlError, match="'iris' has no variant 'forest' in 'production'"):
            run("variant", words[0], "iris", "forest", *words[1:], *ENV)

    def test_retire_takes_variants_along(self, target: Path) -> None:
        commit(target, **{FOREST: variant("forest", 10, NEW)})
        run("retire", "iris", *ENV)
        assert not (target / FOREST).parent.exists()
        assert problems(target) == ""

    def test_status_and_history_tell_of_variants(self, target: Path) -> None:
        commit(target, **{FOREST: variant("forest", 10, NEW)})
        commit(target, **{FOREST: variant("forest", 25, NEW)})
        text = run("status", "iris", *ENV, "--no-live", "--output", "json")
        assert '"variants": "forest 1.1.0 (25 %)"' in text
        text = run("history", "--all", "--output", "json")
        assert '"kind": "variant"' in text
        assert '"after": "forest 1.1.0 ' in text
        assert ' 25 %"' in text
