// Print the fields of the types that a Kubernetes API server uses inside, in their order: their name inside, their name
// in the API ("-" if it is elsewhere there), and a word for their type, as extract.py has it. Such types stand in
// messages about values, and in the differences that a server tells of.
//
// Copy this file into an empty folder, then, for 1.36:
//
//	go mod init internaltypes
//	go get k8s.io/kubernetes@v1.36.3    (with a replace for each of its staging modules, which it requires at v0.0.0)
//	go mod tidy && go run . > internal.json
package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	external "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/apis/core"
)

var found = map[string][]string{}

var special = map[string]string{
	"resource.Quantity": "q", "intstr.IntOrString": "x", "v1.Time": "t",
	"string": "s", "bool": "b", "int32": "i", "int64": "i", "v1.LabelSelector": "?", "v1.ObjectMeta": "?",
}

func word(inner, outer reflect.Type) string {
	switch inner.Kind() {
	case reflect.Pointer:
		return "*" + word(inner.Elem(), below(outer))
	case reflect.Slice:
		return "[]" + word(inner.Elem(), below(outer))
	case reflect.Map:
		return "{}" + word(inner.Elem(), below(outer))
	}
	if known, has := special[inner.String()]; has {
		return known
	}
	if inner.Kind() != reflect.Struct {
		return map[reflect.Kind]string{reflect.String: "s", reflect.Bool: "b"}[inner.Kind()]
	}
	walk(inner, outer)
	return inner.Name()
}

func below(outer reflect.Type) reflect.Type {
	switch outer.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return outer.Elem()
	}
	return outer
}

func walk(inner, outer reflect.Type) {
	if _, seen := found[inner.Name()]; seen {
		return
	}
	found[inner.Name()] = []string{}
	found[inner.Name()] = fields(inner, outer)
}

func fields(inner, outer reflect.Type) []string {
	lines := []string{}
	for i := 0; i < inner.NumField(); i++ {
		one := inner.Field(i)
		if one.Anonymous && one.Type.Name() == "ObjectMeta" {
			lines = append(lines, "metadata")
			continue
		}
		if one.Anonymous {
			lines = append(lines, fields(one.Type, outer)...)
			continue
		}
		if outer.Kind() == reflect.Pointer {
			outer = outer.Elem()
		}
		name, typ := "-", one.Type
		if other, has := outer.FieldByName(one.Name); has {
			name, _, _ = strings.Cut(other.Tag.Get("json"), ",")
			typ = other.Type
		}
		shown := one.Name
		if tag, _, _ := strings.Cut(one.Tag.Get("json"), ","); tag != "" {
			shown = tag
		}
		lines = append(lines, shown+" "+name+" "+word(one.Type, typ))
	}
	return lines
}

func main() {
	word(reflect.TypeOf(core.PodSpec{}), reflect.TypeOf(external.PodSpec{}))
	word(reflect.TypeOf(core.PodTemplateSpec{}), reflect.TypeOf(external.PodTemplateSpec{}))
	word(reflect.TypeOf(core.PodIP{}), reflect.TypeOf(external.PodIP{}))
	word(reflect.TypeOf(core.HostIP{}), reflect.TypeOf(external.HostIP{}))
	names := slices.Sorted(maps.Keys(found))
	for i, name := range names {
		fields, _ := json.Marshal(strings.Join(found[name], ", "))
		fmt.Printf("%s  %q: %s", []string{"{\n", ",\n"}[min(i, 1)], name, fields)
	}
	fmt.Println("\n}")
}
