// What a program with client-go's typed clients does, in protobuf: objects, patches, typed apply, watch, scale, eviction,
// log, and leader election. It ends at the first thing that is not as a cluster does it.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/watch"
	appsapply "k8s.io/client-go/applyconfigurations/apps/v1"
	autoscalingapply "k8s.io/client-go/applyconfigurations/autoscaling/v1"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"
	metaapply "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/retry"
)

var (
	ctx       = context.Background()
	namespace = os.Getenv("NAMESPACE")
	labels    = map[string]string{"app": "web"}
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func that(holds bool, format string, values ...any) {
	if !holds {
		panic(fmt.Sprintf("not so: "+format, values...))
	}
}

func main() {
	config := must(clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG")))
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = os.Getenv("ACCEPT")
	client := kubernetes.NewForConfigOrDie(config)
	must(client.CoreV1().Namespaces().Create(ctx, &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: namespace}}, meta.CreateOptions{}))

	settings(client)
	deployment(client)
	others(client)
	pod(client)
	executor := must(remotecommand.NewWebSocketExecutor(config, "GET", client.CoreV1().RESTClient().Get().
		Namespace(namespace).Resource("pods").Name("absent").SubResource("exec").
		VersionedParams(&core.PodExecOptions{Command: []string{"true"}, Stdout: true}, scheme.ParameterCodec).URL().String()))
	err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &bytes.Buffer{}})
	that(err != nil, "exec in a pod that is not there fails")
	fmt.Println("exec: refused")
	election(client)
}

func settings(client *kubernetes.Clientset) {
	maps := client.CoreV1().ConfigMaps(namespace)
	made := must(maps.Create(ctx, &core.ConfigMap{
		ObjectMeta: meta.ObjectMeta{Name: "settings", Labels: labels},
		Data:       map[string]string{"a": "1", "b": "2"},
		BinaryData: map[string][]byte{"raw": {0, 255}},
	}, meta.CreateOptions{}))
	changes := must(maps.Watch(ctx, meta.ListOptions{ResourceVersion: made.ResourceVersion, LabelSelector: "app=web"}))
	defer changes.Stop()
	next := func() watch.Event { return <-changes.ResultChan() }

	again := made.DeepCopy()
	again.ResourceVersion = ""
	_, err := maps.Create(ctx, again, meta.CreateOptions{})
	that(errors.IsAlreadyExists(err), "a second one of that name: %v", err)
	stale := made.DeepCopy()
	made.Data["a"] = "3"
	made = must(maps.Update(ctx, made, meta.UpdateOptions{}))
	_, err = maps.Update(ctx, stale, meta.UpdateOptions{})
	that(errors.IsConflict(err), "a stale update conflicts: %v", err)
	for kind, patch := range map[types.PatchType]string{
		types.JSONPatchType:           `[{"op":"add","path":"/data/json","value":"x"}]`,
		types.MergePatchType:          `{"data":{"merge":"x"}}`,
		types.StrategicMergePatchType: `{"data":{"strategic":"x"}}`,
	} {
		made = must(maps.Patch(ctx, "settings", kind, []byte(patch), meta.PatchOptions{}))
	}
	that(len(made.Data) == 5 && made.Data["a"] == "3" && len(made.BinaryData["raw"]) == 2, "patched: %v", made.Data)
	_, err = maps.Apply(ctx, coreapply.ConfigMap("settings", namespace).WithData(map[string]string{"a": "4"}), meta.ApplyOptions{FieldManager: "go"})
	that(errors.IsConflict(err), "apply of a field of somebody else conflicts: %v", err)
	made = must(maps.Apply(ctx, coreapply.ConfigMap("settings", namespace).WithData(map[string]string{"a": "4"}), meta.ApplyOptions{FieldManager: "go", Force: true}))
	extracted := must(coreapply.ExtractConfigMap(made, "go"))
	that(len(extracted.Data) == 1 && extracted.Data["a"] == "4", "what is ours: %v", extracted.Data)

	pages, token := 0, "first"
	for token != "" {
		list := must(maps.List(ctx, meta.ListOptions{Limit: 1, Continue: map[bool]string{true: "", false: token}[token == "first"]}))
		pages, token = pages+1, list.Continue
	}
	that(pages >= 1, "pages")
	if err := maps.DeleteCollection(ctx, meta.DeleteOptions{}, meta.ListOptions{LabelSelector: "app=web"}); err != nil {
		panic(err)
	}
	var seen []watch.EventType
	for !slices.Contains(seen, watch.Deleted) {
		seen = append(seen, next().Type)
	}
	fmt.Println("configmap:", seen)
	_, err = maps.Get(ctx, "settings", meta.GetOptions{})
	that(errors.IsNotFound(err), "gone: %v", err)
}

func deployment(client *kubernetes.Clientset) {
	deployments := client.AppsV1().Deployments(namespace)
	web := appsapply.Deployment("web", namespace).WithLabels(labels).WithSpec(appsapply.DeploymentSpec().
		WithReplicas(2).WithSelector(metaapply.LabelSelector().WithMatchLabels(labels)).
		WithTemplate(coreapply.PodTemplateSpec().WithLabels(labels).WithSpec(coreapply.PodSpec().
			WithContainers(coreapply.Container().WithName("web").WithImage("example/web:1").
				WithPorts(coreapply.ContainerPort().WithContainerPort(80))))))
	made := must(deployments.Apply(ctx, web, meta.ApplyOptions{FieldManager: "go"}))
	that(made.Spec.Strategy.Type == apps.RollingUpdateDeploymentStrategyType, "defaults: %v", made.Spec.Strategy)
	patch := `{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"example/side:1"}]}}}}`
	made = must(deployments.Patch(ctx, "web", types.StrategicMergePatchType, []byte(patch), meta.PatchOptions{}))
	that(len(made.Spec.Template.Spec.Containers) == 2, "containers merge by name: %v", made.Spec.Template.Spec.Containers)
	web.Spec.Template.Spec.Containers[0].WithImage("example/web:2")
	made = must(deployments.Apply(ctx, web, meta.ApplyOptions{FieldManager: "go"}))
	that(len(made.Spec.Template.Spec.Containers) == 2, "the other container is somebody else's")
	scale := must(deployments.GetScale(ctx, "web", meta.GetOptions{}))
	scale.Spec.Replicas = 3
	must(deployments.UpdateScale(ctx, "web", scale, meta.UpdateOptions{}))
	scale = must(deployments.ApplyScale(ctx, "web", autoscalingapply.Scale().WithSpec(autoscalingapply.ScaleSpec().WithReplicas(4)),
		meta.ApplyOptions{FieldManager: "scaler", Force: true}))
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		made = must(deployments.Get(ctx, "web", meta.GetOptions{}))
		made.Status.ObservedGeneration = made.Generation
		_, err := deployments.UpdateStatus(ctx, made, meta.UpdateOptions{})
		return err
	})
	fmt.Println("deployment:", scale.Spec.Replicas, made.Spec.Template.Spec.Containers[0].Name, made.Status.ObservedGeneration, err)
	_, err = deployments.Patch(ctx, "web", types.MergePatchType, []byte(`{"spec":{"selector":{"matchLabels":{"app":"other"}}}}`), meta.PatchOptions{})
	that(errors.IsInvalid(err), "a selector does not change: %v", err)
}

func others(client *kubernetes.Clientset) {
	service := must(client.CoreV1().Services(namespace).Create(ctx, &core.Service{
		ObjectMeta: meta.ObjectMeta{Name: "web"},
		Spec:       core.ServiceSpec{Selector: labels, Ports: []core.ServicePort{{Port: 80, TargetPort: intstr.FromString("http")}}},
	}, meta.CreateOptions{}))
	secret := must(client.CoreV1().Secrets(namespace).Create(ctx, &core.Secret{
		ObjectMeta: meta.ObjectMeta{Name: "key"}, StringData: map[string]string{"word": "sesame"},
	}, meta.CreateOptions{}))
	job := must(client.BatchV1().Jobs(namespace).Create(ctx, &batch.Job{
		ObjectMeta: meta.ObjectMeta{Name: "once"},
		Spec: batch.JobSpec{Template: core.PodTemplateSpec{Spec: core.PodSpec{
			RestartPolicy: core.RestartPolicyNever, Containers: []core.Container{{Name: "once", Image: "example/once:1"}},
		}}},
	}, meta.CreateOptions{}))
	fmt.Println("others:", service.Spec.Type, service.Spec.ClusterIP != "", string(secret.Data["word"]), secret.Type, *job.Spec.BackoffLimit)
}

func pod(client *kubernetes.Clientset) {
	pods := client.CoreV1().Pods(namespace)
	must(pods.Create(ctx, &core.Pod{
		ObjectMeta: meta.ObjectMeta{Name: "one", Labels: map[string]string{"app": "one"}},
		Spec:       core.PodSpec{NodeSelector: map[string]string{"nowhere": "true"}, Containers: []core.Container{{Name: "one", Image: "example/one:1"}}},
	}, meta.CreateOptions{}))
	list := must(pods.List(ctx, meta.ListOptions{FieldSelector: "metadata.name=one,spec.nodeName!=nowhere"}))
	_, err := pods.GetLogs("absent", &core.PodLogOptions{}).DoRaw(ctx)
	that(errors.IsNotFound(err), "a log of a pod that is not there: %v", err)
	eviction := &policy.Eviction{ObjectMeta: meta.ObjectMeta{Name: "one"}}
	if err := pods.EvictV1(ctx, eviction); err != nil {
		panic(err)
	}
	_, err = pods.Get(ctx, "one", meta.GetOptions{})
	fmt.Println("pod:", len(list.Items), list.Items[0].Status.QOSClass, "evicted", errors.IsNotFound(err))
}

func election(client *kubernetes.Clientset) {
	lock := must(resourcelock.New(resourcelock.LeasesResourceLock, namespace, "leader", client.CoreV1(), client.CoordinationV1(),
		resourcelock.ResourceLockConfig{Identity: "go"}))
	running, stop := context.WithCancel(ctx)
	leaderelection.RunOrDie(running, leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: time.Second, ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) {
				lease := must(client.CoordinationV1().Leases(namespace).Get(ctx, "leader", meta.GetOptions{}))
				fmt.Println("election: held by", *lease.Spec.HolderIdentity)
				stop()
			},
			OnStoppedLeading: func() {},
		},
	})
	lease := must(client.CoordinationV1().Leases(namespace).Get(ctx, "leader", meta.GetOptions{}))
	fmt.Printf("election: released %q\n", *lease.Spec.HolderIdentity)
}
