"""`modelctl bootstrap`: set up an existing Argo CD to follow a repository."""

from __future__ import annotations

import click

from modelctl.cluster import bootstrap
from modelctl.cluster.context import Cluster
from modelctl.commands import _result
from modelctl.commands._options import output_option
from modelctl.errors import ModelctlError, RefusedError
from modelctl.repository.checkout import Repository

ARGOCD_KINDS = ("applications", "applicationsets", "appprojects")


@click.command()
@click.option("--context", required=True, help="Kubeconfig context; '' for the current one")
@click.option("--repo", required=True, help="URL of the git repository to follow")
@click.option(
    "--registry",
    required=True,
    help="Chart registry, HOST/PATH; with an http:// prefix, without TLS",
)
@click.option("--revision", default="HEAD", show_default=True, help="Branch to follow")
@click.option("--repo-secret", default="", help="Existing Argo CD Secret for the repository")
@click.option("--registry-secret", default="", help="Existing Argo CD Secret for the registry")
@click.option("--store", default="", help="[KIND/]NAME of an External Secrets store")
@click.option("--repo-key", default="", help="Key of the repository's credentials in the store")
@click.option("--registry-key", default="", help="Key of the registry's credentials in the store")
@click.option("--name", default="root", show_default=True, help="Name of the root Application")
@click.option("--namespace", default="argocd", show_default=True, help="Namespace of Argo CD")
@click.option("--poll-seconds", default=180, show_default=True, help="Polling interval")
@click.option("--settings", is_flag=True, help="Settings from argocd/install as well")
@click.option("--dry-run", is_flag=True, help="Server-side dry run: validation without changes")
@output_option
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
    output: str,
) -> None:
    """Set up an existing Argo CD: projects, ApplicationSets, repository and registry.

    Credentials come from existing Secrets or from External Secrets, never from git or the command
    line.

    \b
    Example:
      modelctl bootstrap --context prod --repo https://git.example/models.git \\
        --registry registry.example/charts --repo-secret models-git --dry-run
    """
    if bool(store) != bool(repo_key or registry_key):
        raise click.UsageError("--store requires --repo-key, --registry-key or both")
    plan = bootstrap.Plan(
        bootstrap.Source("git", repo, repo_secret, repo_key),
        bootstrap.Source("helm", registry.removeprefix("oci://"), registry_secret, registry_key),
        revision,
        name,
        namespace,
        poll_seconds,
        store,
    )
    bootstrap.ensure_registry(plan.registry)
    repository, cluster = Repository.find(), Cluster(context)
    _ensure_ready(repository, cluster, plan)
    lines = []
    if settings:
        objects = bootstrap.settings(repository.root, namespace)
        lines += cluster.apply(objects, dry_run=dry_run, force=True)
    # No other field manager owns these; Argo CD itself writes to its Application.
    lines += cluster.apply(plan.objects(), dry_run=dry_run, force=True)
    after = f"next: kubectl -n {namespace} get applications --watch"
    text = "\n".join([*lines, "dry run: nothing changed" if dry_run else after])
    _result.echo(output, text, {"objects": lines, "dryRun": dry_run})


def _ensure_ready(repository: Repository, cluster: Cluster, plan: bootstrap.Plan) -> None:
    """Refuse a cluster that lacks a prerequisite of the plan, before anything is changed."""
    for kind in ARGOCD_KINDS:
        if not cluster.has_kind(f"{kind}.argoproj.io"):
            raise ModelctlError(
                f"the cluster has no {kind}.argoproj.io",
                expected="Argo CD 3.x",
                fix="install Argo CD: https://argo-cd.readthedocs.io/en/stable/getting_started/",
            )
    namespace = f"--namespace={plan.namespace}"
    application = cluster.get("applications.argoproj.io", plan.name, namespace)
    bootstrap.ensure_same_repository(plan, application)
    if plan.store and not cluster.has_kind("externalsecrets.external-secrets.io"):
        raise ModelctlError(
            "the cluster has no externalsecrets.external-secrets.io",
            fix="install External Secrets, or create the Secrets and pass --repo-secret and "
            "--registry-secret",
        )
    for source in (plan.repository, plan.registry):
        if source.credentials:
            secret = cluster.get("secret", source.credentials, namespace)
            bootstrap.ensure_repository_secret(source, secret, plan.namespace)
    selector = f"--selector={bootstrap.TYPE_LABEL}=cluster"
    secrets = cluster.get("secrets", namespace, selector) or {"items": []}
    clusters = [environment.cluster for environment in repository.environments]
    if unknown := bootstrap.unknown_clusters(clusters, secrets["items"]):
        raise RefusedError(
            f"unknown to Argo CD: cluster {', '.join(unknown)}",
            expected="a cluster Secret of that name for each environment",
            fix="argocd cluster add CONTEXT --name NAME, or correct environments.yaml",
        )
