# A release's life with helm: template, install, upgrade, list, history, rollback, lookup, uninstall. CHART is the chart.
set -euo pipefail

# play the cluster: a Job is done when somebody says so
finish() {
    grep -m1 -q "job.batch/$1" < <(kubectl get jobs --watch -o name 2> /dev/null)
    kubectl patch job "$1" --subresource=status --type=merge --patch '{"status":{
        "startTime":"2026-01-01T00:00:00Z","completionTime":"2026-01-01T00:00:01Z","succeeded":1,"uncountedTerminatedPods":{},
        "conditions":[{"type":"SuccessCriteriaMet","status":"True"},{"type":"Complete","status":"True"}]}}' > /dev/null
}
status() { helm status web -o json | grep -o '"status":"[a-z-]*"' | head -1; }
replicas() { kubectl get deployment web -o jsonpath='{.spec.replicas} {.spec.template.spec.containers[0].image}{"\n"}'; }

case $(helm version --short) in v3*) validate=--validate ;; *) validate= ;; esac  # helm 4 does so with --dry-run=server

kubectl create namespace "$NAMESPACE" > /dev/null
kubectl config set-context --current --namespace="$NAMESPACE" > /dev/null
kubectl create configmap outside --from-literal=word=sesame > /dev/null
helm lint "$CHART" | tail -1
helm template web "$CHART" --include-crds | grep '^kind:' | sort | uniq -c | awk '{print $2, $3, $1}'
finish web-before &
helm install web "$CHART" --timeout 60s > /dev/null
wait $!
echo "installed: $(status) $(replicas)"
kubectl get secret web -o jsonpath='looked up: {.data.word}{"\n"}'
kubectl get cups.helm.example.com -o name
helm template web "$CHART" $validate --dry-run=server --is-upgrade | grep "word:"
helm upgrade web "$CHART" --set replicas=0,tag=2 > /dev/null
echo "upgraded: $(status) $(replicas)"
{ helm upgrade web "$CHART" --reuse-values --set replicas=-1 2>&1 || true; } | grep -o 'must be greater than or equal to 0' | head -1
echo "failed: $(status)"
helm rollback web 1 > /dev/null
echo "rolled back: $(status) $(replicas)"
helm list --short
helm history web -o json | grep -o '"status":"[a-z-]*"'
helm get values web --revision 2 -o json
helm get manifest web | grep -c '^kind:'
helm upgrade --install web "$CHART" --dry-run=server | grep -c '^kind:'
helm uninstall web
kubectl get deployment,service,secret,configmap -o name | grep web || echo "nothing left"
kubectl get crd cups.helm.example.com -o name
kubectl delete crd cups.helm.example.com
