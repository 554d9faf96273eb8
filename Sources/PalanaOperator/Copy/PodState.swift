import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaPlan

/// What is kept of an agent's pod.
struct PodState: Sendable, Hashable {
  var key: ObjectKey
  var isDeleting: Bool
  /// The explicit start that it belongs to.
  var run: Int?
  var address: IPAddress?
  var isRunning: Bool
  var startedAt: Timestamp?
  var restarts: Int
  /// How its process ended last.
  var lastExit: AgentStatus.LastExit?
  /// Why it does not run: the kubelet's or the scheduler's reason and sentence.
  var waiting: Waiting?

  struct Waiting: Sendable, Hashable {
    var reason: String
    var message: String
  }

  init(_ object: KubeObject) {
    key = object.key
    isDeleting = object.isDeleting
    run = object.annotations[AgentLabels.run].flatMap { Int($0) }
    let status = object["status"]
    address = status?["podIP"]?.string.flatMap { IPAddress($0) }
    let container = status?["containerStatuses"]?.array?.first { $0["name"]?.string == KubernetesRenderer.Name.agent }
    let state = container?["state"]
    isRunning = state?["running"] != nil
    startedAt = state?["running"]?["startedAt"]?.string.flatMap { Timestamp(parsing: $0) }
    restarts = container?["restartCount"]?.int ?? 0
    lastExit = (state?["terminated"] ?? container?["lastState"]?["terminated"]).flatMap(Self.exit)
    if let reason = state?["waiting"]?["reason"]?.string {
      waiting = Waiting(reason: reason, message: state?["waiting"]?["message"]?.string ?? "")
    } else if let condition = status?["conditions"]?.array?.first(where: { $0["type"]?.string == "PodScheduled" }),
      condition["status"]?.string == "False"
    {
      waiting = Waiting(reason: condition["reason"]?.string ?? "Unschedulable", message: condition["message"]?.string ?? "")
    }
  }

  private static func exit(_ terminated: JSONValue) -> AgentStatus.LastExit? {
    guard let code = terminated["exitCode"]?.int, let time = terminated["finishedAt"]?.string.flatMap({ Timestamp(parsing: $0) }) else {
      return nil
    }
    let said = terminated["reason"]?.string ?? ""
    let reason = said == "OOMKilled" ? said : code == 0 ? "Completed" : code > 128 ? "Signaled" : "Error"
    return AgentStatus.LastExit(code: code, reason: reason, time: time)
  }
}
