"""`modelctl bootstrap`: let an existing Argo CD follow a repository."""

from __future__ import annotations

import click

from modelctl.cluster import bootstrap
from modelctl.cluster.context import Cluster
from modelctl.errors import ModelctlError, RefusedError
from modelctl.repository.environments import Repository

DEFINITIONS = ("applications", "applicationsets", "appprojects")


@click.command()
@click.option("--context", required=True, help="Context of your kubeconfig; '' is the current one.")
@click.option("--repo", required=True, help="URL of the git repository that Argo CD follows.")
@click.option(
    "--registry",
    required=True,
    help="Where released charts are: HOST/PATH. With http:// in front, without TLS.",
)
@click.option("--revision", default="HEAD", show_default=True, help="Branch that is followed.")
@click.option("--repo-secret", default="", help="Argo CD's Secret for the repository; it exists.")
@click.option("--registry-secret", default="", help="Argo CD's Secret for the registry; it exists.")
@click.option("--store", default="", help="[KIND/]NAME of a secret store of External Secrets.")
@click.option("--repo-key", default="", help="The repository's credentials in the store.")
@click.option("--registry-key", default="", help="The registry's credentials in the store.")
@click.option("--name", default="root", show_default=True, help="Application to create.")
@click.option("--namespace", default="argocd", show_default=True, help="Where Argo CD is.")
@click.option("--poll-seconds", default=180, show_default=True, help="How often models are sought.")
@click.option("--settings", is_flag=True, help="Also take over what argocd/install says.")
@click.option("--dry-run", is_flag=True, help="Let the cluster check everything, change nothing.")
def command(
    context: str,
    repo: str,
    registry: str,
    revision: str,
    repo_secret: str,
    registry_secret: str,
    store: str,
    repo_key: str,
    registry_key: str,
    name: str,
    namespace: str,
    poll_seconds: int,
    settings: bool,
    dry_run: bool,
) -> None:
    """Set up a cluster that has Argo CD: projects, ApplicationSets, repository and registry.

    Credentials are in Secrets that exist, or come by External Secrets; they are never in git and
    never on this command line.

    \b
    Example:
      modelctl bootstrap --context prod --repo https://git.example/models.git \\
        --registry registry.example/charts --repo-secret models-git --dry-run
    """
    if bool(store) != bool(repo_key or registry_key):
        raise click.UsageError("--store goes with --repo-key, --registry-key or both")
    plan = bootstrap.Plan(
        bootstrap.Source("git", repo, repo_secret, repo_key),
        bootstrap.Source("helm", registry.removeprefix("oci://"), registry_secret, registry_key),
        revision,
        name,
        namespace,
        poll_seconds,
        store,
    )
    repository, cluster = Repository.find(), Cluster(context)
    _refuse_unready(repository, cluster, plan)
    lines = []
    if settings:
        wanted = bootstrap.settings(repository.root, namespace)
        lines += cluster.apply(wanted, dry_run=dry_run, force=True)
    # Nobody else has a say in these; Argo CD itself writes to its Application.
    lines += cluster.apply(plan.objects(), dry_run=dry_run, force=True)
    click.echo("\n".join(lines))
    if dry_run:
        click.echo("dry run: nothing was changed")
    else:
        click.echo(f"next: kubectl -n {namespace} get applications --watch")


def _refuse_unready(repository: Repository, cluster: Cluster, plan: bootstrap.Plan) -> None:
    """Refuse a cluster that lacks what the plan builds on, before anything is changed."""
    for kind in DEFINITIONS:
        if not cluster.knows(f"{kind}.argoproj.io"):
            raise ModelctlError(
                f"the cluster has no {kind}.argoproj.io",
                expected="Argo CD 3.x, installed",
                fix="install Argo CD: https://argo-cd.readthedocs.io/en/stable/getting_started/",
            )
    place = f"--namespace={plan.namespace}"
    bootstrap.refuse_foreign(plan, cluster.get("applications.argoproj.io", plan.name, place))
    if plan.store and not cluster.knows("externalsecrets.external-secrets.io"):
        raise ModelctlError(
            "the cluster has no externalsecrets.external-secrets.io",
            fix="install External Secrets, or create the Secrets and name them",
        )
    for source in (plan.repository, plan.registry):
        if source.credentials:
            found = cluster.get("secret", source.credentials, place)
            bootstrap.refuse_secret(source, found, plan.namespace)
    selector = f"--selector={bootstrap.TYPE_LABEL}=cluster"
    secrets = cluster.get("secrets", place, selector) or {"items": []}
    wanted = [environment.cluster for environment in repository.environments]
    if unknown := bootstrap.unknown_clusters(wanted, secrets["items"]):
        raise RefusedError(
            f"Argo CD knows no cluster {', '.join(unknown)}",
            expected="a cluster Secret of that name for each environment",
            fix="argocd cluster add CONTEXT --name NAME, or correct environments.yaml",
        )
