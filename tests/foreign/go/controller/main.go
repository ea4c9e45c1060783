// A controller as client-go's examples write it: informer, work queue, typed client. Each ConfigMap with the label
// copy=true gets a Secret of the same name with its data, owned by it. How the client speaks is CONTENT's affair.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"
	metaapply "k8s.io/client-go/applyconfigurations/meta/v1"
	clientfeatures "k8s.io/client-go/features"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"
)

var (
	ctx       = context.Background()
	namespace = os.Getenv("NAMESPACE")
)

// cbor allows CBOR in answers, as the environment variable of that feature does; the other features stay as they are.
type cbor struct{ clientfeatures.Gates }

func (gates cbor) Enabled(feature clientfeatures.Feature) bool {
	return feature == clientfeatures.ClientsAllowCBOR || gates.Gates.Enabled(feature)
}

type queue = workqueue.TypedRateLimitingInterface[cache.ObjectName]

func main() {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		panic(err)
	}
	switch os.Getenv("CONTENT") {
	case "protobuf":
		config.ContentType = "application/vnd.kubernetes.protobuf"
		config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	case "cbor":
		clientfeatures.ReplaceFeatureGates(cbor{clientfeatures.FeatureGates()})
	}
	client := kubernetes.NewForConfigOrDie(config)
	if _, err := client.CoreV1().Namespaces().Create(ctx, &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: namespace}}, meta.CreateOptions{}); err != nil {
		panic(err)
	}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace),
		informers.WithTweakListOptions(func(options *meta.ListOptions) { options.LabelSelector = "copy=true" }))
	maps := factory.Core().V1().ConfigMaps()
	keys := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[cache.ObjectName]())
	add := func(object any) {
		if key, err := cache.DeletionHandlingObjectToName(object); err == nil {
			keys.Add(key)
		}
	}
	maps.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: add, UpdateFunc: func(_, object any) { add(object) }, DeleteFunc: add,
	})
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	go func() {
		for next(client, maps.Lister().ConfigMaps(namespace).Get, keys) {
		}
	}()
	story(client)
	keys.ShutDown()
}

func next(client *kubernetes.Clientset, get func(string) (*core.ConfigMap, error), keys queue) bool {
	key, shutdown := keys.Get()
	if shutdown {
		return false
	}
	defer keys.Done(key)
	if err := reconcile(client, get, key.Name); err != nil {
		fmt.Fprintln(os.Stderr, err)
		keys.AddRateLimited(key)
		return true
	}
	keys.Forget(key)
	return true
}

func reconcile(client *kubernetes.Clientset, get func(string) (*core.ConfigMap, error), name string) error {
	source, err := get(name)
	if errors.IsNotFound(err) {
		err = client.CoreV1().Secrets(namespace).Delete(ctx, name, meta.DeleteOptions{})
		return map[bool]error{true: nil, false: err}[errors.IsNotFound(err)]
	} else if err != nil {
		return err
	}
	owner := metaapply.OwnerReference().WithAPIVersion("v1").WithKind("ConfigMap").WithName(name).WithUID(source.UID).WithController(true)
	copied := coreapply.Secret(name, namespace).WithOwnerReferences(owner).WithStringData(source.Data)
	_, err = client.CoreV1().Secrets(namespace).Apply(ctx, copied, meta.ApplyOptions{FieldManager: "copier", Force: true})
	return err
}

// story changes ConfigMaps and waits, by a watch, for what the controller makes of it.
func story(client *kubernetes.Clientset) {
	secrets, err := client.CoreV1().Secrets(namespace).Watch(ctx, meta.ListOptions{FieldSelector: "metadata.name=a"})
	if err != nil {
		panic(err)
	}
	defer secrets.Stop()
	maps := client.CoreV1().ConfigMaps(namespace)
	object := &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: "a", Labels: map[string]string{"copy": "true"}}, Data: map[string]string{"k": "1"}}
	if object, err = maps.Create(ctx, object, meta.CreateOptions{}); err != nil {
		panic(err)
	}
	tell(secrets.ResultChan())
	object.Data["k"] = "2"
	if _, err = maps.Update(ctx, object, meta.UpdateOptions{}); err != nil {
		panic(err)
	}
	tell(secrets.ResultChan())
	if err = maps.Delete(ctx, "a", meta.DeleteOptions{}); err != nil {
		panic(err)
	}
	tell(secrets.ResultChan())
}

func tell(events <-chan watch.Event) {
	select {
	case event := <-events:
		secret, ok := event.Object.(*core.Secret)
		if !ok {
			panic(fmt.Sprint(event))
		}
		fmt.Println(event.Type, secret.Name, string(secret.Data["k"]), "of", secret.OwnerReferences[0].Kind)
	case <-time.After(time.Minute):
		panic("the controller did nothing")
	}
}
