{{- define "aion.image" -}}
{{- $root := index . 0 -}}{{- $key := index . 1 -}}{{- $name := index . 2 -}}
{{- $digest := index $root.Values.image.digests $key -}}
{{ $root.Values.image.registry }}/{{ $name }}{{ if $digest }}@{{ $digest }}{{ else }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "aion.selector" -}}
app.kubernetes.io/name: {{ . }}
app.kubernetes.io/part-of: aion-os
{{- end }}

{{- define "aion.labels" -}}
{{ include "aion.selector" (index . 1) }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ (index . 0).Chart.Name }}-{{ (index . 0).Chart.Version }}
{{- end }}

{{- define "aion.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- /* What no container but the launcher has. */ -}}
{{- define "aion.unprivileged" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 65533
runAsGroup: 65533
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- /* Where `helm test` works, and what everything of it is called: a name that nobody else has. */ -}}
{{- define "aion.testName" -}}
aion-system-helm-test
{{- end }}

{{- define "aion.toApiServer" -}}
# The API server, which no selector names: by its port.
- ports:
    {{- range .Values.networkPolicy.apiServerPorts }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
- to:
    - namespaceSelector:
        matchLabels: {kubernetes.io/metadata.name: kube-system}
  ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end }}
