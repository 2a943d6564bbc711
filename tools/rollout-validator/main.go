// Says what Argo Rollouts refuses in the objects of a release, for the tests of the chart: by the
// code that its controller runs before it acts on a Rollout.
//
// Each line of stdin is a JSON list of the objects that are rendered together. Each line of stdout is
// the JSON list of the faults of its Rollouts.
//
// With the argument `measure` a line is a metric of an AnalysisTemplate and the values that Prometheus
// finds for it (`{"metric": {...}, "values": ["NaN"]}`), and the answer the phase that the controller
// gives that measurement.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/validation"
)

type object = map[string]any

// release finds what a Rollout refers to among the objects beside it.
type release struct {
	objects []object
	faults  []string
}

func (r *release) fault(format string, values ...any) {
	r.faults = append(r.faults, fmt.Sprintf(format, values...))
}

// decode refuses fields that the type does not have.
func decode(from object, into any) error {
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return yaml.UnmarshalStrict(text, into)
}

// find decodes the object of this kind and name; its absence is a fault.
func (r *release) find(kind, name string, into any) bool {
	for _, each := range r.objects {
		if each["kind"] == kind && each["metadata"].(object)["name"] == name {
			if err := decode(each, into); err != nil {
				r.fault("%s %s: %v", kind, name, err)
				return false
			}
			return true
		}
	}
	r.fault("%s %s does not exist", kind, name)
	return false
}

func (r *release) service(kind validation.ServiceType, name string) []validation.ServiceWithType {
	service := corev1.Service{}
	if name == "" || !r.find("Service", name, &service) {
		return nil
	}
	return []validation.ServiceWithType{{Service: &service, Type: kind}}
}

func (r *release) analysis(
	kind validation.AnalysisTemplateType, step int, asked *v1alpha1.RolloutAnalysis,
) []validation.AnalysisTemplatesWithType {
	if asked == nil {
		return nil
	}
	found := validation.AnalysisTemplatesWithType{TemplateType: kind, CanaryStepIndex: step, Args: asked.Args}
	for _, reference := range asked.Templates {
		template := v1alpha1.AnalysisTemplate{}
		// One for the whole cluster is not part of a release.
		if !reference.IsClusterScope() && r.find("AnalysisTemplate", reference.TemplateName, &template) {
			found.AnalysisTemplates = append(found.AnalysisTemplates, &template)
		}
	}
	return []validation.AnalysisTemplatesWithType{found}
}

func (r *release) references(rollout *v1alpha1.Rollout) (all validation.ReferencedResources) {
	if blueGreen := rollout.Spec.Strategy.BlueGreen; blueGreen != nil {
		all.ServiceWithType = append(
			r.service(validation.ActiveService, blueGreen.ActiveService),
			r.service(validation.PreviewService, blueGreen.PreviewService)...)
		all.AnalysisTemplatesWithType = append(
			r.analysis(validation.PrePromotionAnalysis, 0, blueGreen.PrePromotionAnalysis),
			r.analysis(validation.PostPromotionAnalysis, 0, blueGreen.PostPromotionAnalysis)...)
	}
	canary := rollout.Spec.Strategy.Canary
	if canary == nil {
		return all
	}
	all.ServiceWithType = append(
		r.service(validation.StableService, canary.StableService),
		r.service(validation.CanaryService, canary.CanaryService)...)
	for index, step := range canary.Steps {
		all.AnalysisTemplatesWithType = append(
			all.AnalysisTemplatesWithType, r.analysis(validation.InlineAnalysis, index, step.Analysis)...)
	}
	if canary.Analysis != nil {
		all.AnalysisTemplatesWithType = append(
			all.AnalysisTemplatesWithType,
			r.analysis(validation.BackgroundAnalysis, 0, &canary.Analysis.RolloutAnalysis)...)
	}
	router := canary.TrafficRouting
	if router == nil {
		return all
	}
	if router.Istio != nil && router.Istio.VirtualService != nil {
		route := object{}
		if r.find("VirtualService", router.Istio.VirtualService.Name, &route) {
			all.VirtualServices = append(all.VirtualServices, unstructured.Unstructured{Object: route})
		}
	}
	if router.Traefik != nil {
		r.find("TraefikService", router.Traefik.WeightedTraefikServiceName, &object{})
	}
	return all
}

func (r *release) validate() []string {
	r.faults = []string{}
	for _, each := range r.objects {
		if each["kind"] != "Rollout" {
			continue
		}
		rollout := v1alpha1.Rollout{}
		if err := decode(each, &rollout); err != nil {
			r.fault("%v", err)
			continue
		}
		for _, err := range validation.ValidateRollout(&rollout) {
			r.fault("%v", err)
		}
		if err := validation.ValidateRolloutVirtualServicesConfig(&rollout); err != nil {
			r.fault("%v", err)
		}
		for _, err := range validation.ValidateRolloutReferencedResources(&rollout, r.references(&rollout)) {
			r.fault("%v", err)
		}
	}
	return r.faults
}

// each decodes one line after another and answers it with another line.
func each[T any](handle func(T) (any, error)) error {
	decoder := json.NewDecoder(bufio.NewReader(os.Stdin))
	encoder := json.NewEncoder(os.Stdout)
	for decoder.More() {
		var asked T
		if err := decoder.Decode(&asked); err != nil {
			return err
		}
		answer, err := handle(asked)
		if err != nil {
			return err
		}
		if err := encoder.Encode(answer); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	var err error
	if len(os.Args) > 1 && os.Args[1] == "measure" {
		err = each(func(asked measured) (any, error) { return asked.phase() })
	} else {
		err = each(func(asked []object) (any, error) { return (&release{objects: asked}).validate(), nil })
	}
	if err != nil {
		log.Fatal(err)
	}
}
