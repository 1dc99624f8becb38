// What a listener answers: one of these per loop.
#pragma once

#include "exchange.h"

namespace geod {

// Threads: all but answer_waiting() belong to the loop's thread.
class Handler {
 public:
  virtual ~Handler() = default;

  // Bytes that a request's body may have at most; 0: none is taken. GET and HEAD never have one.
  virtual std::size_t body_max() const { return 0; }

  // Who asks: sets `in.client` and `in.request_id`. Before everything else, also for requests that are refused at once.
  virtual void meet(Exchange& exchange) = 0;

  // Never waits. False: it would have to; answer_waiting() goes on with the same exchange.
  virtual bool answer(Exchange& exchange) = 0;

  // On a worker thread; may wait. Of the handler only what never changes may be used.
  virtual void answer_waiting(Exchange& exchange) = 0;

  // Lets go of what is out of date. Now and then, also where no request comes.
  virtual void catch_up() {}

  // The headers that every answer of this listener carries, refusals included.
  virtual void decorate(Exchange& /*exchange*/) {}
};

}  // namespace geod
