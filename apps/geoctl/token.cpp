// geoctl token check, geoctl token hash, geoctl token revoke
#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <iostream>

#include "arguments.h"
#include "geo/auth.h"
#include "geo/base/hmac.h"
#include "geo/base/text.h"
#include "geo/redirect.h"
#include "session.h"
#include "store.h"
#include "world.h"

namespace geoctl {
namespace {

using geo::ErrorCode;

struct CheckArguments {
  TokenArguments token;
  CameraArguments camera;
  std::string rights = "view";
};

int run_check(Session& session, const CheckArguments& arguments) {
  Output& output = session.output;
  const auto token = arguments.token.value();
  if (!token) return output.refuse(token.error());
  Asked asked;
  arguments.camera.ask(asked);
  asked.add("format", "flv");  // any: a right is one for all formats
  if (*token) asked.add("access_token", **token);
  if (const auto parsed = asked.parse(); !parsed) return output.refuse(parsed.error());
  if (!geo::is_id(arguments.rights))
    return output.refuse(geo::Denial{ErrorCode::bad_request, fmt::format("rights: must be {}", geo::kIdForm)});

  const Opened opened = open_world(session, {});
  if (opened.world == nullptr) return opened.exit_status;
  const geo::compose::World& world = *opened.world;
  geo::auth::Query query;
  query.token = asked.request.token;
  query.rights = arguments.rights;
  query.object_id = asked.request.camera;
  query.server = asked.request.server;
  const geo::Moment at = moment(world, now());
  const auto right = world.snapshot.authorizer->authorize(query, at);
  if (!right) return output.refuse(geo::Denial{ErrorCode::deadline_exceeded, "no answer in time"});
  if (!*right) return output.refuse(right->error());

  if (output.json) {
    const std::chrono::seconds ttl(world.config.cache.tokens.ttl_s);
    std::string object;
    geo::auth::append_json(object, **right, geo::auth::max_age(**right, at, ttl));
    output.line(object);
  } else {
    const geo::auth::Owner& owner = (*right)->owner();
    const std::optional<geo::WallTime>& end = (*right)->token->expires_at;
    output.line(fmt::format("{}  {}/{} may {} camera {} of server {}, {}", output.out.green("ok"), owner.type, owner.id,
                            arguments.rights, asked.request.camera, asked.request.server,
                            end ? "until " + geo::rfc3339(*end) : "without end"));
  }
  return geo::kExitOk;
}

// Of standard input, for the handler of signals.
termios shown, silent;

void handle(int signal);

// The terminal is as it was while geoctl is stopped, and after it was ended; silent again when it goes on.
void show_while_away(int signal) {
  const int error = errno;
  tcsetattr(STDIN_FILENO, TCSADRAIN, &shown);
  static_cast<void>(std::raise(signal));  // as without a handler: SA_RESETHAND, SA_NODEFER
  tcsetattr(STDIN_FILENO, TCSADRAIN, &silent);
  handle(signal);
  errno = error;
}

void handle(int signal) {
  struct sigaction action {};
  action.sa_handler = show_while_away;
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_NODEFER | SA_RESTART;
  sigaction(signal, &action, nullptr);
}

// On a terminal what is typed is not shown.
class Unseen {
 public:
  explicit Unseen(Stream& prompt) : hidden_(isatty(STDIN_FILENO) == 1 && tcgetattr(STDIN_FILENO, &shown) == 0) {
    if (!hidden_) return;
    silent = shown;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
      sigaction(kSignals[i], nullptr, &before_[i]);
      if (before_[i].sa_handler == SIG_DFL) handle(kSignals[i]);  // what is ignored stays so
    }
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    prompt.write("Token (not shown): ");
    prompt.flush();
  }
  ~Unseen() {
    if (!hidden_) return;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before_[i], nullptr);
  }
  Unseen(const Unseen&) = delete;
  Unseen& operator=(const Unseen&) = delete;
  bool hidden() const { return hidden_; }

 private:
  static constexpr std::array kSignals{SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP};
  std::array<struct sigaction, kSignals.size()> before_{};
  bool hidden_;
};

// All of standard input but one line end, or one line of a terminal; no more than tells that it is too much.
std::string read_token(Stream& prompt) {
  constexpr std::size_t kEnough = 8192;
  std::string token;
  const Unseen unseen(prompt);
  char c = 0;
  while (token.size() < kEnough && std::cin.get(c)) {
    if (unseen.hidden() && c == '\n') break;
    token += c;
  }
  if (unseen.hidden()) prompt.write("\n");
  if (token.ends_with('\n')) token.pop_back();
  if (token.ends_with('\r')) token.pop_back();
  return token;
}

// Of a token, which is wiped.
geo::Result<geo::Digest> digest_of(std::string& token) {
  const bool is_one = geo::auth::is_well_formed(token);
  const geo::Digest digest = geo::sha256(token);
  geo::wipe(token);
  if (!is_one) return geo::deny(ErrorCode::bad_request, "a token is 1-4096 visible ASCII characters");
  return digest;
}

int run_hash(Session& session) {
  Output& output = session.output;
  std::string token = read_token(output.err);
  const auto digest = digest_of(token);
  if (!digest) return output.refuse(digest.error());
  const std::string hex = geo::hex(digest->data(), digest->size());
  if (output.json) {
    std::string object;
    geo::Json(object).open('{').field("sha256", hex).close('}');
    output.line(object);
  } else {
    output.line(hex);
  }
  return geo::kExitOk;
}

int run_revoke(Session& session, std::string token) {
  Output& output = session.output;
  if (token == "-") token = read_token(output.err);
  const auto digest = digest_of(token);
  if (!digest) return output.refuse(digest.error());
  const OpenedStore store = open_store(session);
  if (store.none()) return store.exit_status;
  auto done = store.mongo ? store.mongo->revoke(*digest) : geo::io::remove_token(store.dir / "accounts.toml", *digest);
  if (!done && done.error().code == ErrorCode::not_found) done = geo::deny(ErrorCode::token_unknown, "no such token");
  if (!done) return output.refuse(done.error());
  const std::string hex = geo::hex(digest->data(), digest->size());
  if (output.json) {
    std::string object;
    geo::Json(object).open('{').field("sha256", hex).close('}');
    output.line(object);
  } else {
    output.line(fmt::format("{}  revoked: {}", output.out.green("ok"), hex));
    if (!store.mongo) output.err.write("A running geod takes it up with its next reload.\n");
  }
  return geo::kExitOk;
}

}  // namespace

void add_token(CLI::App& app, Session& session) {
  CLI::App* token = app.add_subcommand("token", "What a token may, and what the store keeps of it");
  token->require_subcommand(1);
  token->footer(
      "Examples:\n"
      "  geoctl token check --token-file alice.token --server 100-abcdef --camera 0\n"
      "  openssl rand -hex 16 | tee alice.token | geoctl token hash");

  auto arguments = std::make_shared<CheckArguments>();
  CLI::App* check = token->add_subcommand("check", "May the holder of a token view a camera?");
  arguments->token.positional = check
                                    ->add_option("TOKEN", arguments->token.token,
                                                 "The token; better --token-file or GEOCTL_TOKEN, which others "
                                                 "on this machine cannot see")
                                    ->option_text(" ");
  arguments->token.add_to(*check);
  arguments->camera.add_to(*check);
  check->add_option("--rights", arguments->rights, "The right to ask for (view)")->option_text("RIGHT");
  check->footer(
      "Examples:\n"
      "  geoctl token check T-1 --server 100-abcdef --camera 0\n"
      "  GEOCTL_TOKEN=T-1 geoctl --json token check --server 100-abcdef --camera 0\n\n"
      "Exit status: 0 it may, 3 it may not, 2 an argument, the config or the data is wrong, 5 the store or the "
      "auth-server is away.");
  check->callback(
      [&session, arguments] { session.run = [&session, arguments] { return run_check(session, *arguments); }; });

  CLI::App* hash = token->add_subcommand("hash", "Read a token from standard input, print its SHA-256 for [[tokens]]");
  hash->footer("Example:\n  printf %s T-1 | geoctl token hash");
  hash->callback([&session] { session.run = [&session] { return run_hash(session); }; });

  CLI::App* revoke = token->add_subcommand("revoke", "Remove a token from the store");
  auto revoked = std::make_shared<std::string>();
  revoke->add_option("TOKEN", *revoked, "The token; better -, which reads it from standard input")
      ->required()
      ->option_text(" ");
  revoke->footer(
      "Examples:\n"
      "  geoctl token revoke - < alice.token\n"
      "  geoctl --data config/demo token revoke T-1\n\n"
      "geod takes it up with its next reload; from MongoDB by itself, once its cached answer has lapsed "
      "([cache.tokens]\n"
      "ttl_s). Exit status: 0 done, 3 no such token, 2 the config or the file is wrong, 5 the store is away.");
  revoke->callback(
      [&session, revoked] { session.run = [&session, revoked] { return run_revoke(session, *revoked); }; });
}

}  // namespace geoctl
