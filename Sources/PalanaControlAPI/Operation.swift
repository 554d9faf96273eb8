/// The operations of the control API. The raw value is the operation identifier in the OpenAPI document.
package enum Operation: String, Sendable, CaseIterable {
  case health, openAPI
  case whoAmI, status, cluster, doctor, shutdown
  case listAgents, getAgent, createAgent, updateAgent, deleteAgent
  case listTemplates, getTemplate, createTemplate, updateTemplate, deleteTemplate
  case listPolicies, getPolicy, createPolicy, updatePolicy, deletePolicy
  case listPeeringRules, getPeeringRule, createPeeringRule, updatePeeringRule, deletePeeringRule
  case listBudgets, getBudget, createBudget, updateBudget, deleteBudget
  case listSecretBindings, getSecretBinding
  case listKillOrders, getKillOrder
  case apply
  case runAgent, stopAgent, resumeAgent, restartAgent, waitForAgent
  case agentLogs, execInAgent, copyIntoAgent, copyFromAgent, attackAgent
  case addSecret, listSecrets, rotateSecret, bindSecret, removeSecret
  case listEgressRules, addEgressRule, removeEgressRule, testEgress
  case kill, unkill
  case llmUsage, llmBudgets, llmCalls, listLLMCredentials, setLLMCredential, deleteLLMCredential
  case listLLMContent, getLLMContent
  case metrics
  case audit, verifyAudit, collectedAudit, collectAudit

  /// Its entry in the table.
  package var route: Route { Route.byOperation[self] ?? Route.missing(self) }
}
