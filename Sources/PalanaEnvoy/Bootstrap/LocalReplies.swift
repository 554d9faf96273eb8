import PalanaCore
import PalanaPolicy

/// The answers that Envoy gives by itself, in the form in which agents know refusals. First match wins.
enum LocalReplies {
  static var json: JSONValue {
    [
      "mappers": [
        // The service's own refusals have their body already.
        reply(.policyUnavailable, "the gateway's decisions cannot be had at this moment", details("ext_authz_error")),
        reply(
          .upstreamCertificateInvalid, "the certificate of the upstream cannot be trusted",
          expression("upstream.transport_failure_reason.contains('CERTIFICATE_VERIFY_FAILED')")),
        reply(.upstreamTimeout, "the upstream did not answer in time", flags("UT", "SI", "DT")),
        reply(.upstreamUnreachable, "the upstream could not be reached", flags("UF", "UH", "UO", "NC")),
        reply(.upstreamProtocolError, "the upstream ended the connection, or its answer is malformed", flags("UC", "UR", "UPE")),
        reply(.requestTimeout, "the request head did not arrive in time", details("request_header_timeout")),
        reply(.headersTooLarge, "the request head is too large", status(431)),
        reply(.malformedRequest, "the request is malformed", status(400)),
        reply(.malformedRequest, "the request names a scheme that has no place here", status(403)),
        reply(.malformedRequest, "the request names nothing that can be reached", details("route_not_found")),
        reply(.malformedRequest, "the request has a target of a form that is not accepted", details("absolute_path_rejected")),
      ]
    ]
  }

  private static func reply(_ reason: DenialReason, _ hint: String, _ filter: JSONValue) -> JSONValue {
    [
      "filter": filter, "status_code": .number(JSONNumber(reason.status)),
      "headers_to_add": [["header": ["key": "cache-control", "value": "no-store"], "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"]],
      "body_format_override": [
        "json_format": [
          "error": .string(reason.status >= 500 ? "egress_unavailable" : "egress_denied"),
          "reason": .string(reason.rawValue), "host": "%REQ(:AUTHORITY)%",
          "request_id": .string("%DYNAMIC_METADATA(\(EnvoyNames.authorizationFilter):\(EnvoyNames.idMember))%"),
          "hint": .string(hint),
        ]
      ],
    ]
  }

  private static func flags(_ names: JSONValue...) -> JSONValue { ["response_flag_filter": ["flags": .array(names)]] }

  private static func details(_ start: String) -> JSONValue { expression("response.code_details.startsWith('\(start)')") }

  /// A status that Envoy chose: the service's own refusals have the details `ext_authz_denied`.
  private static func status(_ code: Int) -> JSONValue {
    expression("response.code == \(code) && !response.code_details.startsWith('ext_authz')")
  }

  private static func expression(_ text: String) -> JSONValue {
    [
      "extension_filter": .extension(
        "envoy.access_loggers.extension_filters.cel", "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
        ["expression": .string(text)])
    ]
  }
}
