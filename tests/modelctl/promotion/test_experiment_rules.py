"""`experiment.yaml` is checked like every other file, and its arms have to exist."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelctl.errors import RefusedError
from modelctl.promotion import check
from modelctl.repository.checkout import Repository
from tests import rendering
from tests.modelctl.conftest import VERSION, commit_all, git, run, variant
from tests.modelctl.promotion.judged import freeze, judge

FILE = "environments/production/iris/experiment.yaml"
TEXT = """\
hypothesis: The forest is accepted more often.
owner: "@ml-team"
unit:
  header: x-user-id
arms:
  primary: 80
  forest: 20
start: "2026-11-01T00:00:00Z"
end: "2999-11-15T00:00:00Z"
plannedUnits: 8000
metrics:
  - name: accepted
    kind: proportion
    direction: increase
    minimumEffect: 0.02
    baseline: 0.1
guardrails:
  - name: seconds
    kind: mean
    direction: decrease
    margin: 0.05
"""


SCHEMA = json.loads((rendering.CHART / "values.schema.json").read_text())
IMPLEMENTATIONS = SCHEMA["properties"]["httpRoute"]["properties"]["implementation"]["enum"]
SETTINGS = FILE.replace("experiment", "settings")
COMMON = "environments/production/common.yaml"


def route(unit: str = "header: x-user-id", implementation: str = "envoyGateway") -> str:
    """Settings with a route that keeps a unit in its arm."""
    return f"httpRoute:\n  enabled: true\n  implementation: {implementation}\n  unit:\n    {unit}\n"


def put(repo: Path, text: str = TEXT, settings: str = "", **shares: int) -> Path:
    """Write the experiment, the route for its unit, and variants with these shares."""
    (repo / FILE).write_text(text)
    (repo / SETTINGS).write_text(settings or route())
    folder = repo / FILE.replace("experiment.yaml", "variants")
    folder.mkdir(exist_ok=True)
    for name, share in shares.items():
        (folder / f"{name}.yaml").write_text(variant(name, share))
    return repo


def problems(repo: Path) -> list[str]:
    """What `check` says of the experiment alone."""
    return [line for line in check.file_violations(Repository.find(repo)) if FILE in line]


def test_an_experiment_with_its_variants_has_no_problem(released: Path) -> None:
    assert problems(put(released, forest=20)) == []


def test_an_unknown_arm_is_refused_with_its_line(released: Path) -> None:
    assert problems(put(released, tree=20)) == [
        f"{FILE}:7: arms.forest: unknown arm: expected one of primary, tree, as in variants/",
        f"{FILE}:5: arms: tree has a share of the traffic too; set `share: 0` in variants/, or "
        "stop it first: `modelctl experiment stop iris --env production`",
    ]


def test_a_running_experiment_needs_its_shares(released: Path) -> None:
    (problem,) = problems(put(released, forest=21))
    assert f"{FILE}:7: arms.forest: the share is 21 in variants/forest.yaml: expected 20" in problem


@pytest.mark.parametrize(
    "dates",
    [
        pytest.param(('"2026-11-01', '"2998-11-01'), id="before-the-start-a-share-may-ramp-up"),
        pytest.param(('"2999-11-15', '"2026-11-15'), id="afterwards-everything-may-change"),
    ],
)
def test_outside_of_its_dates_shares_are_free(released: Path, dates: tuple[str, str]) -> None:
    assert problems(put(released, TEXT.replace(*dates), forest=1)) == []


def test_after_its_end_the_variants_may_be_gone(released: Path) -> None:
    text = TEXT.replace('"2999-11-15', '"2026-11-15')
    assert problems(put(released, text)) == []


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        pytest.param("owner: ", "owners: ", "owners: Extra inputs", id="unknown-key"),
        pytest.param('"@ml-team"', "nobody", "owner: ", id="owner"),
        pytest.param("forest: 20", "forest: 30", "add up to 100", id="shares"),
        pytest.param("primary: 80", "control: 80", "lacks primary", id="no-control"),
        pytest.param("2999-11-15", "2026-10-01", "`end` must be later", id="end-before-start"),
        pytest.param("increase", "upwards", "metrics.0.direction", id="direction"),
        pytest.param("minimumEffect: 0.02", "minimumEffect: 0", "minimumEffect", id="no-effect"),
        pytest.param("minimumEffect: 0.02", "minimumEffect: .nan", "minimumEffect", id="nan"),
        pytest.param("name: seconds", "name: accepted", "two meanings: accepted", id="twice"),
        pytest.param("name: seconds", "name: unit", "two meanings: unit", id="reserved"),
        pytest.param(
            "baseline: 0.1", "aggregate: mean", "aggregate any or all", id="aggregate-of-kind"
        ),
        pytest.param("baseline: 0.1", "baseline: 12", "baseline from 0 to 1", id="percent"),
        pytest.param("header: x-user-id", "query: id", "query", id="unit"),
        pytest.param(
            "header: x-user-id", "header: a\n  cookie: b", "either `header` or", id="two-units"
        ),
        pytest.param("arms:", "arms: &a", "anchor", id="anchor"),
    ],
)
def test_a_wrong_file_is_refused(released: Path, before: str, after: str, message: str) -> None:
    assert before in TEXT
    text = "\n".join(problems(put(released, TEXT.replace(before, after, 1), forest=20)))
    assert message in text


def test_a_share_that_is_no_percentage_is_refused(released: Path) -> None:
    put(released, forest=200)
    text = "\n".join(check.file_violations(Repository.find(released)))
    problem = "variants/forest.yaml:10: variants.forest.share: Input should be less than"
    assert text.count(problem) == 1


def test_the_file_passes_the_judge_like_settings_and_a_freeze_covers_it(released: Path) -> None:
    (released / FILE).with_name("version.yaml").write_text(VERSION)
    commit_all(released, "release iris in production")
    git(released, "branch", "--move", "main")
    git(released, "switch", "--quiet", "--create", "change")
    (released / FILE).write_text(TEXT.replace('"2999-11-15', '"2026-11-15'))
    commit_all(released, "ask a question")
    assert "no problems" in judge()
    freeze(released)
    (released / FILE).write_text(TEXT.replace('"2999-11-15', '"2026-11-15'))
    commit_all(released, "ask a question")
    with pytest.raises(RefusedError, match=f"{FILE}: 'production' is frozen"):
        judge()


def test_a_promotion_leaves_it_where_it_is(released: Path) -> None:
    path = released / "environments/dev/iris/experiment.yaml"
    path.write_text(TEXT.replace('"2999-11-15', '"2026-11-15'))
    commit_all(released, "ask a question")
    run("promote", "iris", "--to", "staging", "--no-live")
    assert not (released / "environments/staging/iris/experiment.yaml").exists()


def test_a_retired_model_takes_it_along(released: Path) -> None:
    path = released / FILE
    path.write_text(TEXT)
    path.with_name("version.yaml").write_text(VERSION)
    commit_all(released, "ask a question")
    run("retire", "iris", "--env", "production", "--files", "--no-live")
    assert not path.parent.exists()


@pytest.mark.parametrize("start", ["2026-11-01", "2998-11-01"], ids=["running", "planned"])
@pytest.mark.parametrize(
    "words",
    [
        ("variant", "promote", "iris", "forest"),
        ("variant", "remove", "iris", "forest"),
        ("retire", "iris"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_an_arm_that_goes_stops_the_experiment_and_leaves_its_plan(
    released: Path, words: tuple[str, ...], start: str
) -> None:
    text = "# ours\n" + TEXT.replace("2026-11-01", start)
    put(released, text, forest=20)
    (released / FILE).with_name("version.yaml").write_text(VERSION)
    commit_all(released, "release iris in production")
    more = ("--no-live",) if words[0] == "retire" else ()
    run(*words, "--env", "production", *more)
    assert problems(released) == []
    after = (released / FILE).read_text()
    assert after.startswith(text)
    assert after.removeprefix(text).startswith("stopped: ")


def test_another_variant_that_goes_stops_nothing(released: Path) -> None:
    put(released, forest=20, tree=0)
    (released / FILE).with_name("version.yaml").write_text(VERSION)
    commit_all(released, "release iris in production")
    run("variant", "remove", "iris", "tree", "--env", "production")
    assert (released / FILE).read_text() == TEXT


STICKY = "expected envoyGateway or istio, found "
OTHER = "expected header x-user-id, found "


class TestUnit:
    """The gateway has to hash what the experiment analyses, or its arms are mixed."""

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            pytest.param("{}\n", "no route: expected true, found false", id="no-route"),
            pytest.param(route(implementation="traefik"), f"{STICKY}traefik", id="traefik"),
            pytest.param(route(implementation='""'), f"{STICKY}none", id="gateway-api-alone"),
            pytest.param(route(implementation="null"), f"{STICKY}none", id="null"),
            pytest.param(route('header: ""'), f"{OTHER}none", id="no-unit"),
            pytest.param(route("header: X-Session"), f"{OTHER}header X-Session", id="header"),
            pytest.param(route("cookie: x-user-id"), f"{OTHER}cookie x-user-id", id="cookie"),
            pytest.param(
                route("header: x-user-id\n    cookie: uid"),
                f"{OTHER}header x-user-id and cookie uid",
                id="both",
            ),
        ],
    )
    @pytest.mark.parametrize("start", ["2026-11-01", "2998-11-01"], ids=["running", "planned"])
    def test_another_one_than_the_route_hashes_is_refused(
        self, released: Path, settings: str, message: str, start: str
    ) -> None:
        text = TEXT.replace("2026-11-01", start)
        (problem,) = problems(put(released, text, settings, forest=20))
        assert problem.startswith(f"{FILE}:3: unit: ")
        assert message in problem
        assert f"in {SETTINGS}" in problem

    @pytest.mark.parametrize(
        ("ours", "theirs", "is_same"),
        [
            pytest.param("header: x-user-id", "header: X-User-Id", True, id="header-case"),
            pytest.param("cookie: uid", "cookie: uid", True, id="cookie"),
            pytest.param("cookie: uid", "cookie: UID", False, id="cookie-case"),
            pytest.param("cookie: uid", "header: uid", False, id="header-for-cookie"),
        ],
    )
    def test_headers_have_no_case_and_cookies_have(
        self, released: Path, ours: str, theirs: str, *, is_same: bool
    ) -> None:
        text = TEXT.replace("header: x-user-id", ours)
        assert (problems(put(released, text, route(theirs), forest=20)) == []) is is_same

    def test_a_route_of_grpc_alone_assigns_units_too(self, released: Path) -> None:
        settings = route().replace("enabled: true", "enabled: false")
        (problem,) = problems(put(released, settings=settings, forest=20))
        assert "no route: expected true, found false" in problem
        (released / SETTINGS).write_text(f"{settings}grpcRoute:\n  enabled: true\n")
        assert problems(released) == []

    def test_settings_of_the_environment_and_of_the_chart_count(self, released: Path) -> None:
        put(released, settings="config:\n  logLevel: info\n", forest=20)
        (released / COMMON).write_text(route())
        assert problems(released) == []
        (released / SETTINGS).write_text("httpRoute:\n  unit:\n    header: null\n")
        assert f"{OTHER}none" in "\n".join(problems(released))
        values = released / "charts/ml-model/values.yaml"
        values.write_text(values.read_text().replace('    header: ""', "    header: x-user-id"))
        (released / SETTINGS).write_text("{}\n")
        (released / COMMON).write_text(route().partition("  unit:")[0])
        assert problems(released) == []

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param(TEXT.replace("2999-11-15", "2026-11-15"), id="ended"),
            pytest.param(TEXT + 'stopped: "2026-11-20T00:00:00Z"\n', id="stopped"),
        ],
    )
    def test_after_its_end_the_route_is_free(self, released: Path, text: str) -> None:
        assert problems(put(released, text, "{}\n", forest=20)) == []

    @pytest.mark.parametrize("file", [SETTINGS, COMMON])
    def test_the_required_check_refuses_a_change_of_the_route_in_mid_experiment(
        self, released: Path, file: str
    ) -> None:
        (released / FILE).with_name("version.yaml").write_text(VERSION)
        put(released, settings="config:\n  logLevel: info\n", forest=20)
        (released / file).write_text(route())
        commit_all(released, "release iris in production")
        git(released, "branch", "--move", "main")
        git(released, "switch", "--quiet", "--create", "change")
        (released / file).write_text(route("header: X-Session"))
        commit_all(released, "hash the session")
        with pytest.raises(RefusedError, match=f"{FILE}:3: unit: .*found header X-Session"):
            judge()

    @pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
    def test_the_chart_hashes_the_unit_where_the_check_says_so(
        self, released: Path, implementation: str
    ) -> None:
        """Helm is asked, so that a gateway that the chart learns is learned here too."""
        settings = route(implementation=implementation or '""')
        sample = rendering.CHART / "ci/ab-test-values.yaml"
        (released / "parents.yaml").write_text("httpRoute: {parents: {public: {namespace: ml}}}")
        files = rendering.values(sample, put(released, settings=settings, forest=20) / SETTINGS)
        more = rendering.values(released / "parents.yaml")
        result = rendering.try_template("helm4", rendering.CHART, "iris", "ml", *files, *more)
        kinds = {each["kind"]: each for each in rendering.parse(result.stdout)}
        hashing = [kinds[kind] for kind in ("BackendTrafficPolicy", "EnvoyFilter") if kind in kinds]
        assert (problems(released) == []) is ("x-user-id" in str(hashing))
