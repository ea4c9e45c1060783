# What people do with kubectl: apply, look, change, wait, roll out, delete. It stops at the first command that fails.
set -euo pipefail

cat > web.yaml <<END
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: example/web:1}]}
END
cat > hats.yaml <<END
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: hats.kubectl.example.com}
spec:
  group: kubectl.example.com
  scope: Namespaced
  names: {plural: hats, singular: hat, kind: Hat, shortNames: [ht]}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}]
      schema:
        openAPIV3Schema:
          type: object
          properties: {spec: {type: object, properties: {size: {type: integer, description: The size of the hat.}}}}
END

kubectl create namespace "$NAMESPACE"
kubectl config set-context --current --namespace="$NAMESPACE" > /dev/null
kubectl create configmap settings --from-literal=a=1
kubectl create secret generic key --from-literal=word=hi
kubectl create deployment spare --image=example/spare:1 --replicas=0
kubectl create job once --image=example/once:1 -- true
kubectl create service clusterip lone --tcp=80:8080
kubectl create role reader --verb=get,list --resource=pods
kubectl create serviceaccount caller > /dev/null # a bare kube-apiserver makes none by itself
kubectl create token caller --duration=1h > token
kubectl apply -f web.yaml
kubectl diff -f web.yaml && echo "no difference"
sed 's/replicas: 2/replicas: 3/' web.yaml | kubectl apply -f -
sed 's/web:1/web:2/' web.yaml | kubectl apply --server-side --force-conflicts -f -
kubectl scale deployment web --replicas=4
kubectl set image deployment/web web=example/web:3
kubectl set env deployment/web WORD=hi
kubectl patch configmap settings --patch '{"data":{"b":"2"}}'
kubectl patch configmap settings --type=json --patch '[{"op":"add","path":"/data/c","value":"3"}]'
kubectl patch deployment web --type=merge --patch '{"spec":{"paused":true}}'
kubectl label configmap settings app=web
kubectl annotate configmap settings note=yes
kubectl get configmap settings -o jsonpath='{.data}{"\n"}'
kubectl get deployment web -o jsonpath='{.spec.replicas} {.spec.template.spec.containers[0].image} {.spec.paused}{"\n"}'
kubectl autoscale deployment web --max=5 --cpu-percent=50 2> /dev/null || kubectl autoscale deployment web --max=5 --cpu=50%
kubectl create quota few --hard=pods=10
kubectl get secret,service,role --no-headers -o custom-columns=NAME:.metadata.name | grep -v kube
kubectl apply -f hats.yaml
kubectl wait --for=condition=Established crd/hats.kubectl.example.com --timeout=60s
printf 'apiVersion: kubectl.example.com/v1\nkind: Hat\nmetadata: {name: one}\nspec: {size: 7}\n' | kubectl apply -f -
kubectl get ht --no-headers | awk '{print $1, $2}'
printf 'apiVersion: kubectl.example.com/v1\nkind: Hat\nmetadata: {name: two}\nspec: {sise: 7}\n' | kubectl apply -f - 2>&1 | grep -o 'unknown field .*' || true
kubectl patch hat one --subresource=status --type=merge --patch '{"status":{}}' | cut -d' ' -f1
kubectl explain hat.spec.size | grep -o 'The size of the hat.'
kubectl explain deployment.spec.replicas | grep FIELD
kubectl logs absent 2>&1 || true
kubectl exec absent -- true 2>&1 || true
kubectl auth can-i create pods
kubectl api-resources --api-group=kubectl.example.com --no-headers | awk '{print $1, $2, $3}'
kubectl get configmap settings --watch --output-watch-events -o name > watched &
watching=$!
until grep -q settings watched; do sleep 0.1; done
kubectl wait --for=jsonpath='{.data.a}'=1 configmap/settings --timeout=60s
kubectl delete configmap settings
kubectl wait --for=delete configmap/settings --timeout=60s
kill $watching
kubectl delete -f web.yaml --wait=false
kubectl delete crd hats.kubectl.example.com
