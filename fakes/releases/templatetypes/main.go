// Print the Go types that a pod template consists of, the fields of each in their order: their name in Go, their name in
// the API ("-" for none, "" where the fields of the type stand in the object itself), and their type. Controllers hash
// what Go prints of a template, so the hash in the names of ReplicaSets depends on all of these.
//
// A type is a struct of this document, "*", "[]" or "{}" before a type (pointer, slice, map with names as keys), a basic
// type, or NAME=TYPE for one with a name of its own.
//
// Copy this file into an empty folder, then, for 1.36:
//
//	go mod init templatetypes
//	go get k8s.io/api@v0.36.3
//	go mod tidy && go run . > template.json
package main

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"

	core "k8s.io/api/core/v1"
)

var found = map[string]string{}

func word(t reflect.Type) string {
	name := ""
	if t.Kind() != reflect.Struct && t.PkgPath() != "" {
		name = t.String() + "="
	}
	switch t.Kind() {
	case reflect.Pointer:
		return "*" + word(t.Elem())
	case reflect.Slice:
		return name + "[]" + word(t.Elem())
	case reflect.Map:
		return name + "{}" + word(t.Elem())
	case reflect.Struct:
		walk(t)
		return t.String()
	}
	return name + t.Kind().String()
}

func walk(t reflect.Type) {
	if _, seen := found[t.String()]; seen {
		return
	}
	found[t.String()] = ""
	lines := []string{}
	for i := 0; i < t.NumField(); i++ {
		one := t.Field(i)
		name, options, _ := strings.Cut(one.Tag.Get("json"), ",")
		if name == "" && options != "inline" {
			name = "-"
		}
		lines = append(lines, one.Name+" "+name+" "+word(one.Type))
	}
	found[t.String()] = strings.Join(lines, ", ")
}

func main() {
	walk(reflect.TypeFor[core.PodTemplateSpec]())
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", " ")
	if err := out.Encode(found); err != nil {
		panic(err)
	}
}
