// An operator on controller-runtime: a manager with its cache and a leader's Lease, and a reconciler that makes a
// Deployment for each object of a kind of its own, keeps a finalizer on it and says in its status what it sees.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"
	metrics "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const (
	finalizer      = "manager.example.com/finalizer"
	definitionJSON = `{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": {"name": "sites.manager.example.com"},
		"spec": {
			"group": "manager.example.com", "scope": "Namespaced", "names": {"plural": "sites", "kind": "Site"},
			"versions": [{
				"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
				"schema": {"openAPIV3Schema": {"type": "object", "properties": {
					"spec": {"type": "object", "properties": {"replicas": {"type": "integer", "minimum": 0}}},
					"status": {"type": "object", "properties": {"replicas": {"type": "integer"}}}
				}}}
			}]
		}
	}`
)

var (
	namespace = os.Getenv("NAMESPACE")
	siteKind  = schema.GroupVersionKind{Group: "manager.example.com", Version: "v1", Kind: "Site"}
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func newSite(name string) *unstructured.Unstructured {
	site := &unstructured.Unstructured{}
	site.SetGroupVersionKind(siteKind)
	site.SetNamespace(namespace)
	site.SetName(name)
	return site
}

type reconciler struct{ client.Client }

func (r reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	site := newSite(request.Name)
	if err := r.Get(ctx, request.NamespacedName, site); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if site.GetDeletionTimestamp() != nil {
		controllerutil.RemoveFinalizer(site, finalizer)
		return ctrl.Result{}, r.Update(ctx, site)
	}
	if controllerutil.AddFinalizer(site, finalizer) {
		return ctrl.Result{}, r.Update(ctx, site)
	}
	replicas, _, _ := unstructured.NestedInt64(site.Object, "spec", "replicas")
	deployment := &apps.Deployment{ObjectMeta: meta.ObjectMeta{Name: request.Name, Namespace: namespace}}
	done, err := controllerutil.CreateOrUpdate(ctx, r.Client, deployment, func() error {
		labels, wanted := map[string]string{"site": request.Name}, int32(replicas)
		deployment.Spec.Replicas = &wanted
		deployment.Spec.Selector = &meta.LabelSelector{MatchLabels: labels}
		deployment.Spec.Template.Labels = labels
		if len(deployment.Spec.Template.Spec.Containers) == 0 {
			deployment.Spec.Template.Spec.Containers = []core.Container{{Name: "site", Image: "example/site:1"}}
		}
		return controllerutil.SetControllerReference(site, deployment, r.Scheme())
	})
	if err != nil || done == controllerutil.OperationResultNone && statusOf(site) == replicas {
		return ctrl.Result{}, err
	}
	before := site.DeepCopy()
	must(unstructured.SetNestedField(site.Object, int64(*deployment.Spec.Replicas), "status", "replicas"))
	return ctrl.Result{}, r.Status().Patch(ctx, site, client.MergeFrom(before))
}

// define makes the kind and waits, by a watch, until it is served.
func define(ctx context.Context, direct client.WithWatch) {
	definition := &unstructured.Unstructured{}
	must(definition.UnmarshalJSON([]byte(definitionJSON)))
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(definition.GroupVersionKind())
	changes, err := direct.Watch(ctx, list, client.MatchingFields{"metadata.name": definition.GetName()})
	must(err)
	defer changes.Stop()
	must(direct.Create(ctx, definition))
	for event := range changes.ResultChan() {
		conditions, _, _ := unstructured.NestedSlice(event.Object.(*unstructured.Unstructured).Object, "status", "conditions")
		for _, condition := range conditions {
			if fields := condition.(map[string]any); fields["type"] == "Established" && fields["status"] == "True" {
				return
			}
		}
	}
}

func statusOf(site *unstructured.Unstructured) int64 {
	seen, _, _ := unstructured.NestedInt64(site.Object, "status", "replicas")
	return seen
}

func main() {
	log.SetLogger(logr.Discard())
	manager, err := ctrl.NewManager(ctrl.GetConfigOrDie(), ctrl.Options{
		LeaderElection: true, LeaderElectionID: "manager.example.com", LeaderElectionNamespace: namespace,
		LeaderElectionReleaseOnCancel: true, Metrics: metrics.Options{BindAddress: "0"},
	})
	must(err)
	ctx, stop := context.WithCancel(context.Background())
	direct, err := client.NewWithWatch(manager.GetConfig(), client.Options{})
	must(err)
	define(ctx, direct)
	must(direct.Create(ctx, &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: namespace}}))
	must(ctrl.NewControllerManagedBy(manager).For(newSite("")).Owns(&apps.Deployment{}).Complete(reconciler{manager.GetClient()}))
	ended := make(chan error)
	go func() { ended <- manager.Start(ctx) }()
	story(ctx, direct)
	stop()
	must(<-ended)
}

// story makes, changes and deletes a Site, and waits by a watch until its status says what it must.
func story(ctx context.Context, direct client.WithWatch) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(siteKind)
	changes, err := direct.Watch(ctx, list, client.InNamespace(namespace))
	must(err)
	defer changes.Stop()
	deadline := time.After(time.Minute)
	until := func(replicas int64) {
		for {
			select {
			case event := <-changes.ResultChan():
				if site := event.Object.(*unstructured.Unstructured); statusOf(site) == replicas || replicas < 0 && event.Type == "DELETED" {
					return
				}
			case <-deadline:
				panic(fmt.Sprint("the status never said ", replicas))
			}
		}
	}
	site := newSite("one")
	must(unstructured.SetNestedField(site.Object, int64(2), "spec", "replicas"))
	must(direct.Create(ctx, site))
	until(2)
	must(direct.Patch(ctx, site, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"replicas":5}}`))))
	until(5)
	deployment := &apps.Deployment{}
	must(direct.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "one"}, deployment))
	fmt.Println("reconciled:", *deployment.Spec.Replicas, deployment.OwnerReferences[0].Kind)
	must(direct.Delete(ctx, site))
	until(-1)
	fmt.Println("deleted:", errors.IsNotFound(direct.Get(ctx, client.ObjectKeyFromObject(site), site)))
}
