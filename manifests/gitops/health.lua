-- The health of a CycleQDRun in Argo CD (docs/gitops.md tells how to install this).
-- It goes into the ConfigMap argocd-cm under resource.customizations.health.cycleqd.io_CycleQDRun.

local status = obj.status
if status == nil or status.conditions == nil
    or status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "The operator has not looked at this manifest yet."}
end

local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end

local function health(word, condition_type)
  local condition = conditions[condition_type] or {}
  local message = condition.message
  if message == nil or message == "" then
    message = condition.reason or ""
  end
  return {status = word, message = message}
end

local function holds(condition_type)
  local condition = conditions[condition_type]
  return condition ~= nil and condition.status == "True"
end

if holds("Failed") then
  return health("Degraded", "Failed")
end
-- What is in Git is not what the run does, whether it goes on or has ended.
if status.manifestRefused then
  return health("Degraded", "ManifestAccepted")
end
if holds("Complete") then
  return health("Healthy", "Complete")
end
if holds("Suspended") then
  return health("Suspended", "Suspended")
end
return health("Progressing", "Progressing")
