// A Cache is a Deployment with a Service and a configuration, listed in a registry outside; with webhooks and a scale.
package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

const finalizer = "demo.example.com/registry"

// CacheSpec is what a user wants.
type CacheSpec struct {
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9
	Size *int32 `json:"size,omitempty"`
	// +kubebuilder:default=64
	// +kubebuilder:validation:Minimum=1
	MemoryMb int32 `json:"memoryMb,omitempty"`
}

// CacheStatus is what was found.
type CacheStatus struct {
	Ready    int32  `json:"ready,omitempty"`
	Selector string `json:"selector,omitempty"`
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Cache is a cache that clients find in the registry.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.size,statuspath=.status.ready,selectorpath=.status.selector
// +kubebuilder:printcolumn:name="Ready",type=integer,JSONPath=`.status.ready`
type Cache struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              CacheSpec   `json:"spec,omitempty"`
	Status            CacheStatus `json:"status,omitempty"`
}

// CacheList is a list of them.
// +kubebuilder:object:root=true
type CacheList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Cache `json:"items"`
}

// Registry stands for the client of an API outside of the cluster, which says where caches are.
type Registry struct {
	mutex     sync.Mutex
	addresses map[string]string
}

// Put lists a cache at an address, or with "" nowhere.
func (r *Registry) Put(_ context.Context, uid, address string) error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.addresses[uid] = address
	return nil
}

// Reconciler makes Caches what they should be.
type Reconciler struct {
	client.Client
	Scheme   *runtime.Scheme
	Recorder events.EventRecorder
	Registry *Registry
}

// Reconcile has one Cache be as it should be.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var cache Cache
	if err := r.Get(ctx, request.NamespacedName, &cache); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !cache.DeletionTimestamp.IsZero() {
		if controllerutil.ContainsFinalizer(&cache, finalizer) {
			if err := r.Registry.Put(ctx, string(cache.UID), ""); err != nil {
				return ctrl.Result{}, err
			}
			controllerutil.RemoveFinalizer(&cache, finalizer)
			return ctrl.Result{}, r.Update(ctx, &cache)
		}
		return ctrl.Result{}, nil
	}
	if controllerutil.AddFinalizer(&cache, finalizer) {
		if err := r.Update(ctx, &cache); err != nil {
			return ctrl.Result{}, err
		}
	}
	labels := map[string]string{"cache": cache.Name}
	name := metav1.ObjectMeta{Name: cache.Name, Namespace: cache.Namespace}
	text := fmt.Sprintf("maxmemory %dmb\n", cache.Spec.MemoryMb)
	config := &corev1.ConfigMap{ObjectMeta: name}
	if _, err := controllerutil.CreateOrUpdate(ctx, r.Client, config, func() error {
		config.Data = map[string]string{"redis.conf": text}
		return controllerutil.SetControllerReference(&cache, config, r.Scheme)
	}); err != nil {
		return ctrl.Result{}, err
	}
	service := &corev1.Service{ObjectMeta: name}
	if _, err := controllerutil.CreateOrPatch(ctx, r.Client, service, func() error {
		service.Spec.Selector = labels
		service.Spec.Ports = []corev1.ServicePort{{Port: 6379}}
		return controllerutil.SetControllerReference(&cache, service, r.Scheme)
	}); err != nil {
		return ctrl.Result{}, err
	}
	digest := fmt.Sprintf("%x", sha256.Sum256([]byte(text)))[:12]
	pods := &appsv1.Deployment{ObjectMeta: name}
	rolled := false
	if _, err := controllerutil.CreateOrPatch(ctx, r.Client, pods, func() error {
		before := pods.Spec.Template.Annotations["demo.example.com/config"]
		rolled = before != "" && before != digest
		pods.Spec.Replicas = cache.Spec.Size
		pods.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
		pods.Spec.Template.Labels = labels
		pods.Spec.Template.Annotations = map[string]string{"demo.example.com/config": digest}
		if len(pods.Spec.Template.Spec.Containers) == 0 {
			pods.Spec.Template.Spec.Containers = []corev1.Container{{}}
			pods.Spec.Template.Spec.Volumes = []corev1.Volume{{}}
		}
		container := &pods.Spec.Template.Spec.Containers[0]
		container.Name, container.Image = "redis", "redis:8"
		container.Args = []string{"/etc/redis/redis.conf"}
		container.VolumeMounts = []corev1.VolumeMount{{Name: "config", MountPath: "/etc/redis"}}
		volume := &pods.Spec.Template.Spec.Volumes[0]
		volume.Name = "config"
		if volume.ConfigMap == nil {
			volume.ConfigMap = &corev1.ConfigMapVolumeSource{}
		}
		volume.ConfigMap.Name = cache.Name
		return controllerutil.SetControllerReference(&cache, pods, r.Scheme)
	}); err != nil {
		return ctrl.Result{}, err
	}
	if rolled {
		r.Recorder.Eventf(&cache, nil, corev1.EventTypeNormal, "Rolled", "Roll",
			"the pods are replaced: memoryMb is %d", cache.Spec.MemoryMb)
	}
	address := fmt.Sprintf("%s.%s:6379", cache.Name, cache.Namespace)
	if err := r.Registry.Put(ctx, string(cache.UID), address); err != nil {
		return ctrl.Result{}, err
	}
	size, found := *cache.Spec.Size, pods.Status
	done := found.ObservedGeneration == pods.Generation && found.UpdatedReplicas == size &&
		found.Replicas == size && found.AvailableReplicas == size
	ready := metav1.Condition{Type: "Ready", Status: metav1.ConditionFalse, Reason: "Rolling",
		Message: fmt.Sprintf("%d of %d are available", found.AvailableReplicas, size), ObservedGeneration: cache.Generation}
	if done {
		ready.Status, ready.Reason = metav1.ConditionTrue, "Available"
	}
	before := cache.DeepCopy()
	cache.Status.Ready, cache.Status.Selector = found.AvailableReplicas, "cache="+cache.Name
	meta.SetStatusCondition(&cache.Status.Conditions, ready)
	return ctrl.Result{}, r.Status().Patch(ctx, &cache, client.MergeFrom(before))
}

// Webhooks are asked about Caches.
type Webhooks struct{}

// Default writes down who made it.
func (Webhooks) Default(ctx context.Context, cache *Cache) error {
	request, err := admission.RequestFromContext(ctx)
	if err != nil || request.Operation != "CREATE" {
		return err
	}
	metav1.SetMetaDataAnnotation(&cache.ObjectMeta, "demo.example.com/made-by", request.UserInfo.Username)
	return nil
}

// ValidateCreate allows all.
func (Webhooks) ValidateCreate(context.Context, *Cache) (admission.Warnings, error) { return nil, nil }

// ValidateDelete allows all.
func (Webhooks) ValidateDelete(context.Context, *Cache) (admission.Warnings, error) { return nil, nil }

// ValidateUpdate refuses what would lose data.
func (Webhooks) ValidateUpdate(_ context.Context, old, cache *Cache) (admission.Warnings, error) {
	if cache.Spec.MemoryMb < old.Spec.MemoryMb {
		return nil, apierrors.NewForbidden(schema.GroupResource{Group: "demo.example.com", Resource: "caches"}, cache.Name,
			fmt.Errorf("spec.memoryMb: %d is less than before; make another Cache and move over", cache.Spec.MemoryMb))
	}
	return nil, nil
}

func main() {
	version := schema.GroupVersion{Group: "demo.example.com", Version: "v1"}
	scheme.Scheme.AddKnownTypes(version, &Cache{}, &CacheList{})
	metav1.AddToGroupVersion(scheme.Scheme, version)
	manager, err := ctrl.NewManager(ctrl.GetConfigOrDie(), ctrl.Options{Scheme: scheme.Scheme})
	exitOn(err)
	exitOn(ctrl.NewControllerManagedBy(manager).For(&Cache{}).
		Owns(&corev1.ConfigMap{}).Owns(&corev1.Service{}).Owns(&appsv1.Deployment{}).
		Complete(&Reconciler{Client: manager.GetClient(), Scheme: scheme.Scheme,
			Recorder: manager.GetEventRecorder("caches"), Registry: &Registry{addresses: map[string]string{}}}))
	if os.Getenv("WEBHOOKS") != "" {
		exitOn(ctrl.NewWebhookManagedBy(manager, &Cache{}).WithDefaulter(Webhooks{}).WithValidator(Webhooks{}).Complete())
	}
	exitOn(manager.Start(ctrl.SetupSignalHandler()))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
