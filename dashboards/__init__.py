"""Grafana dashboards as code: these modules make deploy/grafana/*.json (`make generate`)."""
