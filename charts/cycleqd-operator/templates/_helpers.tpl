{{/* Name of the chart's objects: the release's name, and the chart's where it says something new. */}}
{{- define "cycleqd-operator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Labels that select the operator's pod; they never change in a release's life. */}}
{{- define "cycleqd-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of every object. */}}
{{- define "cycleqd-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "cycleqd-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: cycleqd
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "cycleqd-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "cycleqd-operator.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "cycleqd-operator.priorityClassName" -}}
{{- if .Values.priorityClass.create -}}
{{- default (include "cycleqd-operator.fullname" .) .Values.priorityClass.name -}}
{{- else -}}
{{- .Values.priorityClass.name -}}
{{- end -}}
{{- end -}}

{{/* An image reference; takes a dict of "image" and the chart's "root". */}}
{{- define "cycleqd-operator.image" -}}
{{- $tag := default .root.Chart.AppVersion .image.tag -}}
{{- if .image.digest -}}
{{- printf "%s:%s@%s" .image.repository $tag .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository $tag -}}
{{- end -}}
{{- end -}}

{{/* The operator's settings; the clean-up reads the same. */}}
{{- define "cycleqd-operator.env" -}}
- name: CYCLEQD_OPERATOR_NAMESPACES
  value: {{ join "," .Values.watchNamespaces | quote }}
- name: CYCLEQD_OPERATOR_WORKER_IMAGE
  value: {{ include "cycleqd-operator.image" (dict "image" .Values.worker.image "root" .) | quote }}
- name: CYCLEQD_OPERATOR_IMAGE_PULL_POLICY
  value: {{ .Values.worker.image.pullPolicy | quote }}
- name: CYCLEQD_OPERATOR_IMAGE_PULL_SECRETS
  value: {{ join "," .Values.worker.imagePullSecrets | quote }}
- name: CYCLEQD_OPERATOR_WORKER_RESOURCES
  value: {{ .Values.worker.resources | toJson | quote }}
- name: CYCLEQD_OPERATOR_SANDBOX_RESOURCES
  value: {{ .Values.worker.sandboxResources | toJson | quote }}
- name: CYCLEQD_OPERATOR_COORDINATOR_RESOURCES
  value: {{ .Values.coordinator.resources | toJson | quote }}
- name: CYCLEQD_OPERATOR_POD_TEMPLATE_FIELDS
  value: {{ join "," .Values.operator.podTemplateFields | quote }}
- name: CYCLEQD_OPERATOR_CONCURRENCY
  value: {{ .Values.operator.concurrency | quote }}
- name: CYCLEQD_OPERATOR_RESYNC_SECONDS
  value: {{ .Values.operator.resyncSeconds | quote }}
- name: CYCLEQD_OPERATOR_STATUS_INTERVAL_SECONDS
  value: {{ .Values.operator.statusIntervalSeconds | quote }}
- name: CYCLEQD_OPERATOR_LOG_LEVEL
  value: {{ .Values.operator.logLevel | quote }}
- name: CYCLEQD_OPERATOR_LOG_FORMAT
  value: {{ .Values.operator.logFormat | quote }}
- name: CYCLEQD_OPERATOR_HEALTH_PORT
  value: "8080"
- name: CYCLEQD_OPERATOR_METRICS_PORT
  value: "9090"
{{- with .Values.operator.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
What the operator may do; the same rules as a ClusterRole or as a Role of each watched namespace.
operator/cycleqd_operator/kube/permissions.py asks for exactly these at its start. No Secrets: pods get
S3 credentials by reference, the operator never reads them.
*/}}
{{- define "cycleqd-operator.rules" -}}
# Follow the runs; delete them by their TTL.
- apiGroups: [cycleqd.io]
  resources: [cycleqdruns]
  verbs: [list, watch, delete]
# Report what was found.
- apiGroups: [cycleqd.io]
  resources: [cycleqdruns/status]
  verbs: [patch]
# Coordinators and workers.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
# See why a pod waits or how it ended.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
# Manifests and progress; get and patch are passed on to the coordinators by a Role.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch, delete]
# Identities of a run's pods.
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [get, create, patch]
# Let a coordinator patch its run's progress, nothing else.
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, create]
# Tell the user about transitions.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}

{{/* The live page. It has labels of its own: the operator's Service and policies are not for its pod. */}}
{{- define "cycleqd-operator.ui.fullname" -}}
{{- include "cycleqd-operator.fullname" . }}-ui
{{- end -}}

{{- define "cycleqd-operator.ui.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 60 | trimSuffix "-" }}-ui
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "cycleqd-operator.ui.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "cycleqd-operator.ui.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: ui
app.kubernetes.io/part-of: cycleqd
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* Names that browsers may call the page by: the ingress's, others', and the Service's own. */}}
{{- define "cycleqd-operator.ui.hosts" -}}
{{- $name := include "cycleqd-operator.ui.fullname" . -}}
{{- $service := list $name (printf "%s.%s" $name .Release.Namespace) (printf "%s.%s.svc" $name .Release.Namespace) -}}
{{- concat (list .Values.ui.ingress.host) .Values.ui.allowedHosts $service | compact | uniq | toJson -}}
{{- end -}}
