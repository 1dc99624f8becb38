// The codes of servers' errors.
#pragma once

#include <cstdint>

#include "io/mongo/connection.h"

namespace geo::io::mongo {

constexpr Failure::Kind kind_of(std::uint32_t code) {
  using Kind = Failure::Kind;
  switch (code) {
    case 11000:
    case 11001:
    case 12582:
      return Kind::duplicate;
    case 50:   // MaxTimeMSExpired
    case 89:   // NetworkTimeout
    case 202:  // NetworkInterfaceExceededTimeLimit
    case 262:  // ExceededTimeLimit
      return Kind::timeout;
    case 6:     // HostUnreachable
    case 7:     // HostNotFound
    case 133:   // FailedToSatisfyReadPreference
    case 9001:  // SocketException
    // It is not, or no longer, the primary, or about to end.
    case 91:     // ShutdownInProgress
    case 189:    // PrimarySteppedDown
    case 10058:  // LegacyNotPrimary
    case 10107:  // NotWritablePrimary
    case 11600:  // InterruptedAtShutdown
    case 11602:  // InterruptedDueToReplStateChange
    case 13435:  // NotPrimaryNoSecondaryOk
    case 13436:  // NotPrimaryOrSecondary
      return Kind::unreachable;
    default:
      return Kind::rejected;
  }
}

}  // namespace geo::io::mongo
