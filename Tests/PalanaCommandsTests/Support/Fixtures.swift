/// What a server answers.
enum Fixtures {
  static let agent = """
    {"apiVersion":"palana.dev/v1alpha1","kind":"Agent",
     "metadata":{"name":"demo","uid":"u1","resourceVersion":"7","generation":2,"creationTimestamp":"2026-11-20T22:48:00.000000Z","labels":{"team":"core"}},
     "spec":{"owner":"alice@example.com","template":"python","command":["python3","agent.py","--say","it's so"],"env":{"LOG_LEVEL":"info"},
      "resources":{"cpu":"2","memory":"2Gi","pids":256,"storage":"5Gi"},"lifecycle":{"desired":"Running","restart":"OnFailure","idleAfter":"8h"},
      "ports":[{"name":"ui","port":8080,"browser":true}]},
     "status":{"phase":"Running","address":"10.77.0.5","restarts":1,"oomKills":1,"startedAt":"2026-11-21T00:58:30.000000Z",
      "lastExit":{"code":137,"reason":"OOMKilled","time":"2026-11-21T00:58:29.000000Z"},
      "usage":{"memoryBytes":10485760,"cpuSeconds":3.25,"pids":4,"dataBytes":2048},"lastActivity":"2026-11-21T00:59:50.000000Z",
      "conditions":[{"type":"Ready","status":"True","reason":"Running","message":"the process runs","lastTransitionTime":"2026-11-21T00:58:30.000000Z"}],
      "observedGeneration":2}}
    """

  static let stopped = """
    {"apiVersion":"palana.dev/v1alpha1","kind":"Agent",
     "metadata":{"name":"web","uid":"u2","resourceVersion":"9","generation":1,"creationTimestamp":"2026-11-11T01:00:00.000000Z"},
     "spec":{"owner":"alice@example.com","image":"oci-archive:/srv/web.tar"},
     "status":{"phase":"Stopped","observedGeneration":1,"restarts":0,"lastExit":{"code":0,"reason":"Completed","time":"2026-11-20T01:00:00.000000Z"}}}
    """

  static let fresh = """
    {"apiVersion":"palana.dev/v1alpha1","kind":"Agent",
     "metadata":{"name":"new","uid":"u3","resourceVersion":"11","generation":1,"creationTimestamp":"2026-11-21T00:59:55.000000Z"},
     "spec":{"owner":"alice@example.com"}}
    """

  static let agents = #"{"kind":"AgentList","items":[\#(agent),\#(stopped),\#(fresh)]}"#

  static let template = """
    {"apiVersion":"palana.dev/v1alpha1","kind":"AgentTemplate","metadata":{"name":"ttyd","resourceVersion":"1"},
     "spec":{"description":"A terminal in the browser","image":"host","command":["ttyd","-p","7681","sh"],"ports":[{"name":"ui","port":7681,"browser":true}],
      "requires":[{"name":"ttyd","hint":"install it: apt-get install ttyd"}],"egress":{"rules":[{"host":"pypi.org","methods":["GET"],"paths":["/simple/**"]}]}}}
    """

  static let secrets = """
    {"items":[
     {"name":"GITHUB_PAT","access":"proxy-only","keys":[{"key":"token","placeholder":"TOKEN_GITHUB_PAT","variable":"GITHUB_PAT"}],"hosts":["api.github.com:443"],"places":["header:authorization","basic"],"revision":2,"createdAt":"2026-11-21T00:55:00.000000Z"},
     {"name":"DB","access":"agent-readable","keys":[{"key":"user"},{"key":"password"}],"hosts":[],"places":[],"revision":1},
     {"name":"LOOSE","access":"proxy-only","keys":[{"key":"k","placeholder":"TOKEN_LOOSE","variable":"LOOSE"}],"hosts":[],"places":[],"revision":1}]}
    """

  static let rules = """
    {"items":[{"source":"agent","rule":{"id":"r1","host":"api.github.com","methods":["GET"],"paths":["/repos/**"]}},
     {"source":"policy/base","rule":{"id":"no-paste","action":"deny","host":"**.pastebin.com","ports":[443,8443]}},
     {"source":"agent","rule":{"id":"work","host":"github.com","git":{"repo":"acme/*","push":true,"refs":["refs/heads/agent/*"]}}}]}
    """

  static let killed = """
    {"orders":["k1"],"agents":[{"id":"demo-1f0a93c27b","name":"demo","owner":"alice@example.com"}],
     "planes":[{"name":"gateway","milliseconds":1.94,"attempts":1},{"name":"network","milliseconds":6.41,"attempts":1},{"name":"secrets","milliseconds":0.05,"attempts":1},
      {"name":"compute","milliseconds":38.2,"attempts":1}],"totalMilliseconds":39.02,"warnings":[]}
    """

  static let halfKilled = """
    {"orders":["k1"],"agents":[],"planes":[{"name":"gateway","milliseconds":1.9,"attempts":1},{"name":"network","milliseconds":5000,"attempts":4,"error":"nft: busy"}],
     "totalMilliseconds":5000.1,"warnings":["the network plane is not cut"]}
    """

  static let status = """
    {"version":"0.1.0","startedAt":"2026-11-21T00:30:00.000000Z","home":"/var/lib/palana","gateway":"10.77.0.1:3128",
     "components":[{"name":"egress","healthy":true,"message":"2 agents"},{"name":"secrets","healthy":false,"message":"sealed"}],"agents":{"Running":2,"Stopped":1,"Failed":0}}
    """

  static let healthy = status.replacing(
    #""healthy":false,"message":"sealed""#, with: #""healthy":true,"message":"unsealed""#)

  static let who = """
    {"user":"root","operator":true,"authentication":"peer-credentials","installation":"i-1","version":"0.1.0"}
    """

  static let doctor = """
    {"checks":[{"name":"kernel","state":"ok","message":"6.18","hint":""},{"name":"clock","state":"warn","message":"not synchronised","hint":"install chrony"},
     {"name":"nftables","state":"fail","message":"nft is missing","hint":"apt-get install nftables"}]}
    """

  static let events = """
    {"seq":1,"time":"2026-11-21T00:48:35.120034Z","component":"egress","action":"request","decision":"allow","agent":{"id":"demo-1f0a93c27b","name":"demo","owner":"alice@example.com"},"request":{"id":"q1","method":"GET","scheme":"https","host":"api.github.com","port":443,"path":"/repos/a/b"},"response":{"status":200,"bytes":512},"prevHash":"00","hash":"11"}
    {"seq":2,"time":"2026-11-21T00:48:36.000000Z","component":"egress","action":"connect","decision":"deny","reason":"host_not_allowed","agent":{"id":"demo-1f0a93c27b","name":"demo","owner":"alice@example.com"},"request":{"id":"q2","method":"CONNECT","host":"evil.example","port":8443},"response":{"status":403,"bytes":90},"prevHash":"11","hash":"22"}
    {"seq":3,"time":"2026-11-21T00:48:37.000000Z","component":"kill","action":"kill","decision":"info","severity":"critical","actor":"root","details":{"gateway":"1.9","total":"39.0"},"prevHash":"22","hash":"33"}
    {"seq":4,"time":"2026-11-21T00:48:38.000000Z","component":"egress","action":"request","decision":"deny","reason":"malformed_request","request":{"id":"q4","method":"GET","host":"x.example","path":"/\\u001b]0;owned\\u0007\\u202e"},"prevHash":"33","hash":"44"}

    """

  static let denied = """
    {"allowed":false,"reason":"host_not_allowed","policyVersion":"v3","explanation":"No rule allows evil.example.","stage":"authority","host":"evil.example","port":443,
     "steps":[{"layer":"rules","verdict":"abstain","explanation":"none of 2 rules is about this host"},{"layer":"guardrail[0]","verdict":"deny","rule":"guardrail/base","explanation":"no uploads"}]}
    """
}
