// What controller-gen would make of the types.
package main

import "k8s.io/apimachinery/pkg/runtime"

func (c *Cache) DeepCopy() *Cache {
	out := *c
	out.ObjectMeta = *c.ObjectMeta.DeepCopy()
	if c.Spec.Size != nil {
		size := *c.Spec.Size
		out.Spec.Size = &size
	}
	out.Status.Conditions = append(out.Status.Conditions[:0:0], c.Status.Conditions...)
	return &out
}

func (c *Cache) DeepCopyObject() runtime.Object { return c.DeepCopy() }

func (l *CacheList) DeepCopyObject() runtime.Object {
	out := *l
	out.Items = nil
	for i := range l.Items {
		out.Items = append(out.Items, *l.Items[i].DeepCopy())
	}
	return &out
}
