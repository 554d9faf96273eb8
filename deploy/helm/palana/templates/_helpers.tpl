{{/* Labels of one role's objects. Call with (list $ ROLE). */}}
{{- define "palana.labels" -}}
{{ include "palana.selector" . }}
app.kubernetes.io/part-of: palana
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
{{- end }}

{{/* What selects one role's pods: never changes, as selectors cannot. */}}
{{- define "palana.selector" -}}
app.kubernetes.io/name: palana-{{ index . 1 }}
{{- end }}

{{- define "palana.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* What every pod has in common. Call with (list $ ROLE). */}}
{{- define "palana.pod" -}}
{{- $root := index . 0 -}}
serviceAccountName: palana-{{ index . 1 }}
enableServiceLinks: false
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $root.Values.priorityClass.create }}
priorityClassName: {{ $root.Values.priorityClass.name }}
{{- end }}
{{- if $root.Values.userNamespaces }}
hostUsers: false
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with $root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What every container has in common. Call with (list $ ROLE VALUES). */}}
{{- define "palana.container" -}}
{{- $root := index . 0 -}}
image: {{ include "palana.image" $root }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
terminationMessagePolicy: FallbackToLogsOnError
resources:
  {{- toYaml (index . 2).resources | nindent 2 }}
{{- end }}

{{/* Keeps the pods of one role on different nodes and zones. Call with (list $ ROLE). */}}
{{- define "palana.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "palana.selector" . | nindent 8 }}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "palana.selector" . | nindent 14 }}
{{- end }}

{{/* A configuration that is written by more than one part. Call with (list DEFAULTS OVERRIDES): the second wins. */}}
{{- define "palana.merged" -}}
{{- toYaml (mergeOverwrite (deepCopy (index . 0)) (deepCopy (index . 1))) -}}
{{- end }}

{{/* A place without what it does not say. */}}
{{- define "palana.place" -}}
{{- range $key, $value := . }}
{{- if $value }}
{{ $key }}: {{ toJson $value }}
{{- end }}
{{- end }}
{{- end }}

{{/* Rules of a NetworkPolicy that everybody needs: names, and the API server. */}}
{{- define "palana.egress.dns" -}}
- to:
    - namespaceSelector:
        matchLabels: {kubernetes.io/metadata.name: {{ .Values.network.dns.namespace }}}
      podSelector:
        matchLabels:
          {{- toYaml .Values.network.dns.labels | nindent 10 }}
  ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
{{- end }}

{{- define "palana.egress.apiServer" -}}
- ports:
    {{- range .Values.network.apiServer.ports }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
  {{- with .Values.network.apiServer.cidrs }}
  to:
    {{- range . }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
  {{- end }}
{{- end }}

{{/* A place as peers of a NetworkPolicy. */}}
{{- define "palana.peers" -}}
{{- range .cidrs }}
- ipBlock: {cidr: {{ . | quote }}}
{{- end }}
{{- if .namespace }}
- namespaceSelector:
    matchLabels: {kubernetes.io/metadata.name: {{ .namespace }}}
  {{- with .labels }}
  podSelector:
    matchLabels:
      {{- toYaml . | nindent 6 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The way to a place. */}}
{{- define "palana.egress.place" -}}
- ports: [{protocol: TCP, port: {{ .port }}}]
  to:
    {{- include "palana.peers" . | nindent 4 }}
{{- end }}

{{/* Where the secrets are and how a role logs in, for its configuration. Call with (list $ ROLE). */}}
{{- define "palana.secrets" -}}
{{- $vault := (index . 0).Values.vault -}}
address: {{ $vault.address }}
{{- if $vault.caConfigMap }}
caFile: /etc/palana/vault/ca.crt
{{- end }}
kubernetes:
  role: palana-{{ index . 1 }}
  mount: {{ $vault.mount }}
{{- end }}

{{/* The token with which a pod logs in at Vault, made for Vault alone, and the authority of Vault's certificate. */}}
{{- define "palana.vaultMounts" -}}
- {name: vault-token, mountPath: /var/run/secrets/palana.dev/vault, readOnly: true}
{{- if .Values.vault.caConfigMap }}
- {name: vault-ca, mountPath: /etc/palana/vault, readOnly: true}
{{- end }}
{{- end }}

{{- define "palana.vaultVolumes" -}}
- name: vault-token
  projected:
    sources:
      - serviceAccountToken: {audience: {{ .Values.vault.audience }}, expirationSeconds: 3600, path: token}
{{- if .Values.vault.caConfigMap }}
- name: vault-ca
  configMap:
    name: {{ .Values.vault.caConfigMap }}
    items: [{key: ca.crt, path: ca.crt}]
{{- end }}
{{- end }}

{{/* Whether the audit trails of the other roles are collected by the control API; empty: they are not. */}}
{{- define "palana.collects" -}}
{{- if and .Values.control.enabled .Values.audit.collect (or .Values.operator.enabled .Values.gateway.enabled .Values.reaper.enabled) }}true{{ end }}
{{- end }}

{{/* The collector, for a role's configuration. */}}
{{- define "palana.collector" -}}
url: https://palana-control.{{ .Release.Namespace }}.svc
caFile: /etc/palana/control/ca.crt
tokenFile: /var/run/secrets/palana.dev/audit/token
{{- end }}

{{/* The token with which a pod hands in its trail, made for this alone, and the authority of the control API's certificate, without its key. */}}
{{- define "palana.auditMounts" -}}
- {name: audit-token, mountPath: /var/run/secrets/palana.dev/audit, readOnly: true}
- {name: control-ca, mountPath: /etc/palana/control, readOnly: true}
{{- end }}

{{- define "palana.auditVolumes" -}}
- name: audit-token
  projected:
    sources:
      - serviceAccountToken: {audience: {{ .Values.audit.audience }}, expirationSeconds: 3600, path: token}
- name: control-ca
  {{- if .Values.audit.caConfigMap }}
  configMap:
    name: {{ .Values.audit.caConfigMap }}
    items: [{key: ca.crt, path: ca.crt}]
  {{- else }}
  # Without it nothing is collected, and the pod's log says so; it works all the same.
  secret:
    secretName: {{ .Values.control.tlsSecret }}
    defaultMode: 0440
    optional: true
    items: [{key: ca.crt, path: ca.crt}]
  {{- end }}
{{- end }}

{{/* The way to the collector. */}}
{{- define "palana.egress.collector" -}}
{{- if include "palana.collects" . }}
# The control API, which collects the audit trail.
- ports: [{protocol: TCP, port: 8443}]
  to:
    - podSelector:
        matchLabels:
          {{- include "palana.selector" (list . "control") | nindent 10 }}
{{- end }}
{{- end }}

{{/* The operator's admission, without what is not limited. */}}
{{- define "palana.admission" -}}
{{- with .Values.admission -}}
administrators: {{ toJson .administrators }}
{{- if .agentsPerOwner }}
agentsPerOwner: {{ .agentsPerOwner }}
{{- end }}
{{- if .images }}
images: {{ toJson .images }}
{{- end }}
{{- end }}
{{- end }}
