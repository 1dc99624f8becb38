// A replica set for tests: its members greet as members do, and keep their data in one server (the tests' own), so that
// all have what one was told. Who is the primary, and what becomes of a command in a step-down, the test says.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace geo::test {

class ReplicaSet {
 public:
  static constexpr int kNobody = -1;
  // Codes of what a server says that is not, or no longer, the primary.
  enum Code : std::int32_t {
    kPrimarySteppedDown = 189,
    kNotWritablePrimary = 10107,
    kInterruptedAtShutdown = 11600,
    kInterruptedDueToReplStateChange = 11602,
    kNotPrimaryNoSecondaryOk = 13435,
  };
  // What becomes of a command that the primary has got.
  struct Then {
    enum class What : std::uint8_t {
      pass,
      refuse,  // it is not done; the answer is the error of `code`
      lose,    // it is done; the connection ends before its answer
      doubt,   // it is done; the answer holds `code` as the write concern's error
    };
    What what = What::pass;
    std::int32_t code = 0;
  };
  // Called with the name of each command that the primary gets, on the thread of its connection.
  using Hook = std::function<Then(const std::string& command)>;
  // sessions: servers of today have them, and drivers then try writes once more, which are done once.
  enum class Sessions : std::uint8_t { none, some };

  // The first of the members is the primary.
  ReplicaSet(const std::string& uri, int members, Hook hook, Sessions sessions);
  ~ReplicaSet();
  ReplicaSet(const ReplicaSet&) = delete;
  ReplicaSet& operator=(const ReplicaSet&) = delete;

  const std::string& uri() const { return uri_; }
  int primary() const { return primary_; }
  void elect(int member) { primary_ = member; }
  // Whoever is there, or comes, is cut off.
  void stop(int member);
  // It takes what comes, and answers nobody.
  void silence(int member);

 private:
  struct Member;
  struct Line;
  void accept(Member& member);
  void serve(Line& line);
  std::string answer(Line& line, const std::string& message);
  std::string greeting(const Member& member, const std::string& message, const std::string& reply) const;

  const Hook hook_;
  const Sessions sessions_;
  std::string uri_, host_, port_;  // host_, port_: the server's
  std::atomic<int> primary_{0};
  std::mutex mutex_;
  bool stopping_ = false;
  std::vector<std::unique_ptr<Member>> members_;
  std::list<Line> lines_;
  std::map<std::string, std::string> done_;  // answers to writes that may be tried again, by session and number
};

}  // namespace geo::test
