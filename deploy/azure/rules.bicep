// The rules of deploy/prometheus for Azure Monitor's managed Prometheus:
//   az deployment group create -g GROUP -f deploy/azure/rules.bicep \
//     -p workspace=/subscriptions/.../Microsoft.Monitor/accounts/NAME actionGroups='["/subscriptions/..."]'

@description('Resource id of the Azure Monitor workspace that holds the metrics.')
param workspace string

@description('Resource ids of the action groups to notify.')
param actionGroups array = []

param location string = resourceGroup().location

// Read at compile time, so that Prometheus and Azure Monitor have the same rules.
var recording = loadYamlContent('../prometheus/rules/tcp-keepalive-recording.yml').groups
var alerts = loadYamlContent('../prometheus/rules/tcp-keepalive-alerts.yml').groups

// Azure's severities: 0 critical, 1 error, 2 warning, 3 informational, 4 verbose.
var severities = { critical: 0, warning: 2, info: 3 }

resource recordingRules 'Microsoft.AlertsManagement/prometheusRuleGroups@2023-03-01' = [for group in recording: {
  name: group.name
  location: location
  properties: {
    scopes: [workspace]
    interval: 'PT1M'
    rules: map(group.rules, rule => {
      record: rule.record
      expression: rule.expr
      labels: rule.?labels ?? {}
    })
  }
}]

resource alertingRules 'Microsoft.AlertsManagement/prometheusRuleGroups@2023-03-01' = [for group in alerts: {
  name: group.name
  location: location
  properties: {
    scopes: [workspace]
    interval: 'PT1M'
    rules: map(group.rules, rule => {
      alert: rule.alert
      expression: rule.expr
      for: 'PT${toUpper(rule.?for ?? '0m')}'
      // Azure's keep_firing_for, at least a minute and at most 15.
      resolveConfiguration: {
        autoResolved: true
        timeToResolve: 'PT${toUpper(rule.?keep_firing_for ?? '1m')}'
      }
      severity: severities[rule.labels.severity]
      labels: rule.labels
      // Without those that query: it is not documented whether Azure's templates can.
      annotations: {
        summary: rule.annotations.summary
        description: rule.annotations.description
        runbook_url: rule.annotations.runbook_url
      }
      actions: map(actionGroups, id => { actionGroupId: id })
    })
  }
}]
