import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import PalanaControlAPI
import PalanaCore

/// Turns every error into the one wire form, and adds the headers that every answer has.
struct ErrorMiddleware: RouterMiddleware {
  @concurrent
  func handle(
    _ request: Request, context: ControlContext,
    next: @concurrent (Request, ControlContext) async throws -> Response
  ) async throws -> Response {
    var response: Response
    do {
      response = try await next(request, context)
    } catch let error as PalanaError {
      response = try Self.response(to: error)
    } catch let error as HTTPError where error.status == .notFound {
      response = try Self.response(to: PalanaError(.notFound, "there is nothing at this path"))
    } catch let error as HTTPError where error.status.code < 500 {
      response = try Self.response(to: PalanaError(.invalid, error.status.reasonPhrase))
      response.status = error.status
    } catch is NIOTooManyBytesError {
      response = try Self.response(to: PalanaError(.invalid, "the body is larger than this operation takes"))
      response.status = .contentTooLarge
    } catch is CancellationError {
      response = try Self.response(to: PalanaError(.unreachable, "the daemon is shutting down"))
    } catch {
      // The error's own text may hold what the request held: only its type is written down.
      context.logger.error("control.request.failed", metadata: ["error.type": "\(type(of: error))"])
      response = try Self.response(to: PalanaError(.failed, "something went wrong inside the control API"))
    }
    response.headers[.cacheControl] = "no-store"
    response.headers[.xContentTypeOptions] = "nosniff"
    return response
  }

  /// The envelope of an error with its status.
  static func response(to error: PalanaError) throws -> Response {
    try JSONAnswer.response(
      PalanaError.Envelope(error), status: HTTPResponse.Status(code: error.code.httpStatus))
  }
}
