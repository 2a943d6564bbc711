package main

import (
	"context"
	"strconv"
	"time"

	promapi "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	log "github.com/sirupsen/logrus"

	"github.com/argoproj/argo-rollouts/metricproviders/prometheus"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
)

// answer is a Prometheus that finds the same values whatever it is asked.
type answer struct {
	promapi.API
	values model.Vector
}

func (a answer) Query(context.Context, string, time.Time, ...promapi.Option) (model.Value, promapi.Warnings, error) {
	return a.values, nil, nil
}

// measured is a metric of an AnalysisTemplate, and what Prometheus finds for it, as it writes numbers.
type measured struct {
	Metric object   `json:"metric"`
	Values []string `json:"values"`
}

// phase is the verdict of the controller's own provider on one measurement.
func (m measured) phase() (string, error) {
	metric := v1alpha1.Metric{}
	if err := decode(m.Metric, &metric); err != nil {
		return "", err
	}
	found := answer{values: model.Vector{}}
	for _, text := range m.Values {
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return "", err
		}
		found.values = append(found.values, &model.Sample{Value: model.SampleValue(value)})
	}
	provider, err := prometheus.NewPrometheusProvider(found, *log.NewEntry(log.New()), metric)
	if err != nil {
		return "", err
	}
	return string(provider.Run(&v1alpha1.AnalysisRun{}, metric).Phase), nil
}
