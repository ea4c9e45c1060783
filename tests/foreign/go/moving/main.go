// What docs/coming-from-controller-runtime.md says of controller-runtime, tried: a program that holds a Lease and leaves
// an object, a child and a deletion that waits; what its fake client does; and what becomes of a panic.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/go-logr/logr"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"
	metrics "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const (
	finalizer      = "demo.example.com/directory"
	definitionJSON = `{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": {"name": "greetings.demo.example.com"},
		"spec": {
			"group": "demo.example.com", "scope": "Namespaced", "names": {"plural": "greetings", "kind": "Greeting"},
			"versions": [{
				"name": "v1", "served": true, "storage": true,
				"schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": {
					"spec": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
				}}}
			}]
		}
	}`
)

var (
	namespace = os.Getenv("NAMESPACE")
	kind      = schema.GroupVersionKind{Group: "demo.example.com", Version: "v1", Kind: "Greeting"}
)

// Directory stands for the client of an API outside of the cluster; it does not answer.
type Directory struct{}

// Remove forgets a name.
func (Directory) Remove(string) error { return errors.New("the directory does not answer") }

// GreetingReconciler has each Greeting have a ConfigMap with its text.
type GreetingReconciler struct {
	client.Client
	Directory Directory
	panicked  atomic.Bool
	again     chan bool
}

func newGreeting(name string) *unstructured.Unstructured {
	greeting := &unstructured.Unstructured{}
	greeting.SetGroupVersionKind(kind)
	greeting.SetNamespace(namespace)
	greeting.SetName(name)
	return greeting
}

// Reconcile has one Greeting be as it should be.
func (r *GreetingReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	if req.Name == "panics" && !r.panicked.Swap(true) {
		panic("nobody foresaw this")
	} else if req.Name == "panics" {
		r.again <- true
		return ctrl.Result{}, nil
	}
	greeting := newGreeting("")
	if err := r.Get(ctx, req.NamespacedName, greeting); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !greeting.GetDeletionTimestamp().IsZero() {
		if err := r.Directory.Remove(req.Name); err != nil {
			return ctrl.Result{}, err
		}
		controllerutil.RemoveFinalizer(greeting, finalizer)
		return ctrl.Result{}, r.Update(ctx, greeting)
	}
	if controllerutil.AddFinalizer(greeting, finalizer) {
		return ctrl.Result{}, r.Update(ctx, greeting)
	}
	text, _, _ := unstructured.NestedString(greeting.Object, "spec", "text")
	child := &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: req.Name, Namespace: req.Namespace}}
	_, err := controllerutil.CreateOrUpdate(ctx, r.Client, child, func() error {
		child.Data = map[string]string{"text": text, "old": "1"}
		return controllerutil.SetControllerReference(greeting, child, r.Scheme())
	})
	return ctrl.Result{}, err
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// until watches a list until an object of it is right.
func until(ctx context.Context, direct client.WithWatch, list client.ObjectList, name string, right func(client.Object) bool) {
	changes, err := direct.Watch(ctx, list, client.MatchingFields{"metadata.name": name})
	must(err)
	defer changes.Stop()
	for event := range changes.ResultChan() {
		if object, ok := event.Object.(client.Object); ok && right(object) {
			return
		}
	}
}

func listOf(kind schema.GroupVersionKind) *unstructured.UnstructuredList {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind)
	return list
}

func define(ctx context.Context, direct client.WithWatch) {
	definition := &unstructured.Unstructured{}
	must(definition.UnmarshalJSON([]byte(definitionJSON)))
	must(client.IgnoreAlreadyExists(direct.Create(ctx, definition)))
	until(ctx, direct, listOf(definition.GroupVersionKind()), definition.GetName(), func(object client.Object) bool {
		conditions, _, _ := unstructured.NestedSlice(object.(*unstructured.Unstructured).Object, "status", "conditions")
		for _, condition := range conditions {
			if fields := condition.(map[string]any); fields["type"] == "Established" && fields["status"] == "True" {
				return true
			}
		}
		return false
	})
	must(direct.Create(ctx, &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: namespace}}))
}

// fakes says what the fake client does with what a server would refuse or do by itself.
func fakes(ctx context.Context) {
	owner := newGreeting("owner")
	owner.SetUID("1")
	child := &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: "child", Namespace: namespace}}
	must(controllerutil.SetControllerReference(owner, child, scheme.Scheme))
	faked := fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(owner, child).Build()
	must(faked.Delete(ctx, owner))
	fmt.Println("fake: the child of a deleted owner is there:", faked.Get(ctx, client.ObjectKeyFromObject(child), child) == nil)
	pod := &core.Pod{ObjectMeta: meta.ObjectMeta{Name: "Not A Name", Namespace: namespace}}
	fmt.Println("fake: a pod without containers and with a bad name is taken:", faked.Create(ctx, pod) == nil)
}

// leadAgain has a manager without controllers win the Lease, and gives it back.
func leadAgain(ctx context.Context, manager ctrl.Manager) {
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error)
	go func() { ended <- manager.Start(ctx) }()
	<-manager.Elected()
	fmt.Println("leads again")
	stop()
	must(<-ended)
}

func main() {
	log.SetLogger(logr.Discard())
	ctx, stop := context.WithCancel(context.Background())
	manager, err := ctrl.NewManager(ctrl.GetConfigOrDie(), ctrl.Options{
		LeaderElection: true, LeaderElectionID: "greetings.demo.example.com", LeaderElectionNamespace: namespace,
		LeaderElectionReleaseOnCancel: true, Metrics: metrics.Options{BindAddress: "0"},
	})
	must(err)
	direct, err := client.NewWithWatch(manager.GetConfig(), client.Options{})
	must(err)
	if os.Getenv("AGAIN") != "" {
		leadAgain(ctx, manager)
		return
	}
	fakes(ctx)
	define(ctx, direct)
	reconciler := &GreetingReconciler{Client: manager.GetClient(), again: make(chan bool, 9)}
	must(ctrl.NewControllerManagedBy(manager).For(newGreeting("")).Owns(&core.ConfigMap{}).Complete(reconciler))
	ended := make(chan error)
	go func() { ended <- manager.Start(ctx) }()
	for _, name := range []string{"panics", "hello", "going"} {
		greeting := newGreeting(name)
		must(unstructured.SetNestedField(greeting.Object, "hi", "spec", "text"))
		must(direct.Create(ctx, greeting))
	}
	fmt.Println("called again after a panic:", <-reconciler.again)
	maps := core.SchemeGroupVersion.WithKind("ConfigMapList")
	for _, name := range []string{"hello", "going"} {
		until(ctx, direct, listOf(maps), name, func(client.Object) bool { return true })
	}
	must(direct.Delete(ctx, newGreeting("panics")))
	must(direct.Delete(ctx, newGreeting("going")))
	going, child := newGreeting("going"), &core.ConfigMap{}
	must(direct.Get(ctx, client.ObjectKeyFromObject(going), going))
	fmt.Println("waits:", going.GetFinalizers(), going.GetDeletionTimestamp() != nil)
	must(direct.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "hello"}, child))
	owner, entry := child.OwnerReferences[0], child.ManagedFields[0]
	fmt.Println("child:", owner.Kind, *owner.Controller, *owner.BlockOwnerDeletion, entry.Manager, entry.Operation)
	_, err = io.ReadAll(os.Stdin)
	must(err)
	stop()
	must(<-ended)
	fmt.Println("ended")
}
