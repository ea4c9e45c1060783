// Print, for each API type of a Kubernetes release, what its OpenAPI documents do not say of its fields: which are
// always sent, which tell an empty value from none, and the Go names that stand in a decoder's messages.
//
// Copy this file into an empty folder, then, for 1.36:
//
//	go mod init gotypes
//	for m in api apiextensions-apiserver apimachinery client-go kube-aggregator; do go get k8s.io/$m@v0.36; done
//	go mod tidy && go run . > go-1.36.json
package main

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

type field struct {
	Go        string `json:"go"`
	Omits     bool   `json:"omits"`
	OmitsZero bool   `json:"omitsZero,omitempty"`
	Pointer   bool   `json:"pointer,omitempty"`
	Kind      string `json:"kind"`
	In        string `json:"in,omitempty"`
}

var found = map[string]map[string]field{}

func full(t reflect.Type) string { return t.PkgPath() + "." + t.Name() }

func walk(t reflect.Type) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || !strings.Contains(t.PkgPath(), "k8s.io/") {
		return
	}
	if _, seen := found[full(t)]; seen {
		return
	}
	fields := map[string]field{}
	found[full(t)] = fields
	collect(t, fields, "")
}

// In is the path of the embedded structs that a field is in, such as "RuleWithOperations.Rule".
func collect(t reflect.Type, fields map[string]field, in string) {
	for i := 0; i < t.NumField(); i++ {
		one := t.Field(i)
		tag, has := one.Tag.Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		if name == "-" || !one.IsExported() {
			continue
		}
		if one.Anonymous && (name == "" || !has) {
			inner := one.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			if inner.Kind() == reflect.Struct {
				path := inner.Name()
				if in != "" {
					path = in + "." + path
				}
				collect(inner, fields, path)
			}
			continue
		}
		if !has || name == "" {
			continue
		}
		typ := one.Type
		pointer := typ.Kind() == reflect.Pointer
		if pointer {
			typ = typ.Elem()
		}
		fields[name] = field{
			Go:        typ.String(),
			Omits:     strings.Contains(options, "omitempty"),
			OmitsZero: strings.Contains(options, "omitzero"),
			Pointer:   pointer,
			Kind:      typ.Kind().String(),
			In:        in,
		}
		walk(typ)
	}
}

func main() {
	_ = apiextensions.AddToScheme(scheme.Scheme)
	_ = apiregistration.AddToScheme(scheme.Scheme)
	var _ *runtime.Scheme = scheme.Scheme
	for _, typ := range scheme.Scheme.AllKnownTypes() {
		walk(typ)
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	_ = encoder.Encode(found)
}
