{{/* The name of the release's objects. */}}
{{- define "@NAME@.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc @NAME_MAX@ | trimSuffix "-" }}
{{- else if contains "@NAME@" .Release.Name }}
{{- .Release.Name | trunc @NAME_MAX@ | trimSuffix "-" }}
{{- else }}
{{- printf "%s-@NAME@" .Release.Name | trunc @NAME_MAX@ | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* What the Deployment's pods are found by; it never changes. */}}
{{- define "@NAME@.selectorLabels" -}}
app.kubernetes.io/name: @NAME@
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The labels of every object. */}}
{{- define "@NAME@.labels" -}}
{{ include "@NAME@.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: controller
app.kubernetes.io/part-of: @NAME@
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The labels of pods. */}}
{{- define "@NAME@.podLabels" -}}
{{ include "@NAME@.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: controller
app.kubernetes.io/part-of: @NAME@
{{- with .Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The annotations of pods. */}}
{{- define "@NAME@.podAnnotations" -}}
{{- if .Values.metrics.annotations }}
prometheus.io/scrape: "true"
prometheus.io/port: {{ include "@NAME@.metricsPort" . | quote }}
prometheus.io/path: /metrics
{{- end }}
{{- with .Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "@NAME@.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "@NAME@.fullname" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{- define "@NAME@.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (toString (.Values.image.tag | default .Chart.AppVersion)) }}
{{- end }}
{{- end }}

{{/* A setting as the program's variable has it: lists with commas, numbers without exponents. */}}
{{- define "@NAME@.setting" -}}
{{- if kindIs "slice" . }}{{ join "," . }}
{{- else if kindIs "float64" . }}{{ toJson . }}
{{- else if not (kindIs "invalid" .) }}{{ toString . }}
{{- end }}
{{- end }}

{{/* Replicas that do not share the work by a Lease would all do it: there is one at most, also during a rollout. */}}
{{- define "@NAME@.strategy" -}}
{{- if or .Values.settings.leader_elect .Values.settings.shards -}}
type: RollingUpdate
rollingUpdate:
  maxSurge: 1
  maxUnavailable: 0
{{- else if gt (int .Values.replicas) 1 }}
{{- fail (printf "replicas is %d, and they would all do the same work; set settings.leader_elect or settings.shards, or replicas to 1" (int .Values.replicas)) }}
{{- else -}}
type: Recreate
{{- end }}
{{- end }}

{{/* How long an orderly end may take. */}}
{{- define "@NAME@.secondsToEnd" -}}
{{- .Values.terminationGracePeriodSeconds | default (ceil (addf (.Values.settings.grace_s | default @GRACE_S@) (.Values.settings.renew_s | default @RENEW_S@) @REST_S@)) }}
{{- end }}

{{- define "@NAME@.webhooksPort" -}}
{{- $port := regexFind "[0-9]+$" (toString (.Values.settings.webhooks_address | default "@WEBHOOKS_ADDRESS@")) }}
{{- required "settings.webhooks_address must be of the form :PORT; the server calls it" $port }}
{{- end }}

{{- define "@NAME@.metricsPort" -}}
{{- $port := regexFind "[0-9]+$" (toString .Values.settings.endpoints_address) }}
{{- required "settings.endpoints_address must be of the form :PORT; probes ask it" $port }}
{{- end }}

{{/* The labels of an object by which others choose it, such as a Prometheus; of a list of two: $, and what is added. */}}
{{- define "@NAME@.labelsAnd" -}}
{{ include "@NAME@.labels" (index . 0) }}
{{- with index . 1 }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The matchers of the program's series in Prometheus, as an operator's ServiceMonitor has them. */}}
{{- define "@NAME@.series" -}}
{{- .Values.prometheusRule.series | default (printf "job=\"%s-metrics\", namespace=\"%s\"" (include "@NAME@.fullname" .) .Release.Namespace) }}
{{- end }}
