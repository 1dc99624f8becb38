// Changes of one row in files as people write them: nothing else changes.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <future>

#include "geo/base/text.h"
#include "geo/io/file.h"
#include "temp_dir.h"

namespace geo::io {
namespace {

using place::Admin;

std::string read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The file after set_admin(), "" where nothing was written; else the refusal as "code: detail", without the directory.
std::string told(const std::string& text, const test::TempDir& dir) {
  const std::string prefix = dir.path().string() + "/";
  const std::size_t at = text.find(prefix);
  return at == std::string::npos ? text : text.substr(0, at) + text.substr(at + prefix.size());
}
std::string with_admin(std::string_view text, std::string_view node, Admin admin) {
  const test::TempDir dir;
  const auto file = dir.write("topology.toml", text);
  const auto changed = set_admin(file, node, admin);
  const std::string after = read(file);
  if (!changed) {
    EXPECT_EQ(after, text);
    return told(std::string(name_of(changed.error().code)) + ": " + changed.error().detail, dir);
  }
  EXPECT_EQ(*changed, after != text);
  return *changed ? after : "";
}
std::string without_token(std::string_view text, std::string_view token) {
  const test::TempDir dir;
  const auto file = dir.write("accounts.toml", text);
  const auto removed = remove_token(file, sha256(token));
  const std::string after = read(file);
  if (removed) return after;
  EXPECT_EQ(after, text);
  return told(std::string(name_of(removed.error().code)) + ": " + removed.error().detail, dir);
}

// "[[nodes]] .. admin = @ .." with each `@` replaced.
std::string filled(std::string text, std::string_view value) {
  for (std::size_t at = text.find('@'); at != std::string::npos; at = text.find('@', at + value.size()))
    text.replace(at, 1, value);
  return text;
}

TEST(SetAdmin, ChangesTheValueAndNothingElse) {
  for (
      const std::string shape : {
          "[[nodes]]\nid = \"n1\"\nadmin = @\n",
          "[[nodes]]\nid = \"n1\"\nadmin = @",
          "[[nodes]]\r\nid = \"n1\"\r\nadmin = @ # why\r\n\r\n",
          "\xEF\xBB\xBF# BOM\n[[nodes]]\nid = \"n1\"\nadmin = @\n",
          "\xEF\xBB\xBFnodes = [{ id = \"n1\", admin = @ }]",
          "# Москва\n\t[[ nodes ]]  # \"admin\"\n\t\"admin\" = @\t# admin = \"drain\"\n\n\t'id'=\"n1\"\n#end",
          "nodes = [ { dc = 'Москва \xF0\x9F\x8E\xA5', admin = @, id = 'n1' },\n # n2\n {id='n2', admin='offline'} ]\n",
          "[[nodes]]\nid = \"n0\"\nadmin = \"online\"\n[[groups]]\nid = \"n1\"\nadmin = \"online\"\n"
          "[[nodes]]\nadmin = @\nports.https = 1\nid = \"n1\"\n[[nodes]]\nid = \"n2\"\nadmin = \"online\"",
          "[[nodes]]\ncity = \"\"\"\nadmin = 'x'\n\"\"\"\nfallback = [ # one\n 'a', # two\n]\nadmin = @\nid = \"n1\"\n",
          "[[nodes]]\nid = \"n1\"\nadmin = @\n[nodes.ports]\nhttps = 1\n",
      }) {
    for (const std::string_view before :
         {"\"online\"", "\"offline\"", "\"nonsense\"", "\"\"\"online\"\"\"", "7", "[1, 2]"})
      EXPECT_EQ(with_admin(filled(shape, before), "n1", Admin::drain), filled(shape, "\"drain\"")) << shape;
    EXPECT_EQ(with_admin(filled(shape, "'online'"), "n1", Admin::drain), filled(shape, "'drain'")) << shape;
    EXPECT_EQ(with_admin(filled(shape, "\"drain\""), "n1", Admin::drain), "") << shape;
  }
}

// `@` is where it comes to stand.
TEST(SetAdmin, InsertsWhereThereIsNoneInTheStyleOfTheRow) {
  struct Shape {
    std::string text, inserted;
  };
  for (const auto& [text, inserted] : std::vector<Shape>{
           {"[[nodes]]\nid = \"n1\"\nhost = \"h\"@\n\n[[nodes]]\nid = \"n2\"\n", "\nadmin = \"offline\""},
           {"[[nodes]]\nid = \"n1\"@", "\nadmin = \"offline\""},
           {"[[nodes]]\r\nid = \"n1\"  # one@\r\n# two\r\n", "\r\nadmin = \"offline\""},
           {"[[nodes]]\r\nid = \"n1\"@", "\r\nadmin = \"offline\""},
           {"  [[nodes]]\n    id='n1'\n    weight=5@\n", "\n    admin='offline'"},
           {"[[nodes]]\nid       = \"n1\"\nhost     = \"h\"@\n", "\nadmin    = \"offline\""},
           {"[[nodes]]\nid   = \"n1\"\nhost =  \"h\"@\n", "\nadmin =  \"offline\""},
           {"[[nodes]]\nid   = \"n1\"@\n", "\nadmin = \"offline\""},
           {"[[nodes]]\nid = \"n1\"\npatterns = [\n  \"a\", # ]\n  \"b\",\n]@ # end\n", "\nadmin = \"offline\""},
           {"[[nodes]]\nid = \"n1\"@\n[nodes.ports]\nhttps = 1\n", "\nadmin = \"offline\""},
           {"[[nodes]]\nid = \"n1\"\nports = { https = 1 }@\n", "\nadmin = \"offline\""},
           {"nodes = [ { id = \"n1\", host = \"h\"@ }, { id = \"n2\" } ]\n", ", admin = \"offline\""},
           {"nodes = [{id='n1',weight=5@},{id='n2'}]", ",admin='offline'"},
           {"nodes = [{ id = \"n1\"@ }]", ", admin = \"offline\""},
           {"nodes = [\n  { id = \"n2\" },  # two\n  { id = \"n1\", ports = { https = 1 }@ },  # one\n]\n",
            ", admin = \"offline\""},
       }) {
    const auto comment = text.find(" # ", text.find('@'));
    std::string expected = text, before = text;
    before.erase(before.find('@'), 1);
    if (text.find("]@ # end") != std::string::npos) {  // behind the comment
      expected.erase(expected.find('@'), 1).insert(comment - 1 + std::string_view(" # end").size(), inserted);
    } else {
      expected.replace(expected.find('@'), 1, inserted);
    }
    EXPECT_EQ(with_admin(before, "n1", Admin::offline), expected);
    EXPECT_EQ(with_admin(before, "n1", Admin::online), "") << "the default";
  }
}

TEST(SetAdmin, RefusesAndLeavesTheFileAlone) {
  const std::string one = "[[nodes]]\nid = \"n1\"\n";
  EXPECT_EQ(with_admin(one, "n2", Admin::drain), "not_found: node \"n2\" is not there");
  EXPECT_EQ(with_admin("", "n\n2", Admin::drain), "not_found: node \"n\\n2\" is not there");
  EXPECT_EQ(with_admin("[nodes]\nid = \"n1\"\n", "n1", Admin::drain), "not_found: node \"n1\" is not there");
  EXPECT_EQ(with_admin("nodes = [1, { id = 2 }, \"n1\"]\n", "n1", Admin::drain), "not_found: node \"n1\" is not there");
  EXPECT_EQ(with_admin(one + one, "n1", Admin::drain), "invalid_config: node \"n1\" is there twice");
  EXPECT_EQ(with_admin(one + "x", "n1", Admin::drain).substr(0, 35), "invalid_config: topology.toml:3:2: ");
  EXPECT_EQ(with_admin(one + "[nodes.admin]\nx = 1\n", "n1", Admin::drain),
            "invalid_config: topology.toml: that row cannot be changed alone; change it by hand");
  EXPECT_EQ(with_admin("[[nodes]]\nid = \"n1\"\nadmin.x = 1\n", "n1", Admin::drain),
            "invalid_config: topology.toml: that row cannot be changed alone; change it by hand");
  const test::TempDir dir;
  const auto missing = set_admin(dir.path() / "topology.toml", "n1", Admin::drain);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::invalid_config);
  EXPECT_EQ(told(missing.error().detail, dir), "topology.toml: cannot be opened: No such file or directory");
}

// Every node of a store that is written by hand, and back again.
TEST(SetAdmin, ThereAndBackLeavesTheDemoAsItWas) {
  const std::filesystem::path demo = std::filesystem::path(GEO_DEMO) / "topology.toml";
  const std::string text = read(demo);
  const test::TempDir dir;
  const auto file = dir.write("topology.toml", text);
  const place::Rows rows = read_data(dir.path()).data.topology;
  ASSERT_FALSE(rows.nodes.empty());
  for (const place::Node& node : rows.nodes) {
    dir.write("topology.toml", text);
    const Admin other = node.admin == Admin::offline ? Admin::drain : Admin::offline;
    ASSERT_EQ(set_admin(file, node.id, other), true);
    const ReadData changed = read_data(dir.path());
    EXPECT_TRUE(changed.faults.empty());
    place::Rows expected = rows;
    for (place::Node& one : expected.nodes)
      if (one.id == node.id) one.admin = other;
    EXPECT_EQ(changed.data.topology, expected);
    if (node.admin == Admin::online) continue;  // its row had no such line
    ASSERT_EQ(set_admin(file, node.id, node.admin), true);
    EXPECT_EQ(read(file), text);
  }
}

TEST(SetAdmin, KeepsTheModeAndFollowsALink) {
  const test::TempDir dir;
  const auto real = dir.write("real.toml", "[[nodes]]\nid = \"n1\"\n");
  std::filesystem::permissions(real, std::filesystem::perms(0640));
  std::filesystem::create_directory(dir.path() / "store");
  const auto link = dir.path() / "store" / "topology.toml";
  std::filesystem::create_symlink("../real.toml", link);
  ASSERT_EQ(set_admin(link, "n1", Admin::drain), true);
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(read(real), "[[nodes]]\nid = \"n1\"\nadmin = \"drain\"\n");
  EXPECT_EQ(std::filesystem::status(real).permissions(), std::filesystem::perms(0640));
}

TEST(SetAdmin, EditsAtTheSameTimeAllStay) {
  const test::TempDir dir;
  std::string text;
  for (int i = 0; i < 16; ++i) text += "[[nodes]]\nid = \"n" + std::to_string(i) + "\"\nadmin = \"online\"\n";
  const auto file = dir.write("topology.toml", text);
  std::vector<std::future<bool>> edits;
  for (int i = 0; i < 16; ++i)
    edits.push_back(std::async(std::launch::async,
                               [&file, i] { return set_admin(file, "n" + std::to_string(i), Admin::drain) == true; }));
  for (auto& done : edits) EXPECT_TRUE(done.get());
  EXPECT_EQ(read(file).find("online"), std::string::npos);
}

std::string row(std::string_view token, std::string_view note = "") {
  const Digest digest = sha256(token);
  return "[[tokens]]" + std::string(note) + "\nsha256 = \"" + hex(digest.data(), digest.size()) +
         "\"\nowner_type = \"user\"\nowner_id = \"u1\"  # whose\n";
}
std::string item(std::string_view token) {
  const Digest digest = sha256(token);
  return "{ sha256 = '" + hex(digest.data(), digest.size()) + "', owner_type = \"user\", owner_id = \"u1\" }";
}

TEST(RemoveToken, RemovesTheLinesOfTheRow) {
  const std::string a = row("a", "  # Anna's"), b = row("b"), c = row("c");
  EXPECT_EQ(without_token("# all\n\n" + a + "\n" + b + "\n# Carl's\n" + c, "a"), "# all\n\n" + b + "\n# Carl's\n" + c);
  EXPECT_EQ(without_token("# all\n\n" + a + "\n" + b + "\n# Carl's\n" + c, "b"), "# all\n\n" + a + "\n# Carl's\n" + c);
  EXPECT_EQ(without_token("# all\n\n" + a + "\n" + b + "\n# Carl's\n" + c, "c"),
            "# all\n\n" + a + "\n" + b + "\n# Carl's\n");
  EXPECT_EQ(without_token(a + b + "[[users]]\nid = \"u1\"\n", "b"), a + "[[users]]\nid = \"u1\"\n");
  EXPECT_EQ(without_token(a, "a"), "");
  EXPECT_EQ(without_token(a.substr(0, a.size() - 1), "a"), "");
  EXPECT_EQ(without_token("\t" + a + "  [[users]]\n", "a"), "  [[users]]\n");
  std::string windows = a + b;
  for (std::size_t at = windows.find('\n'); at != std::string::npos; at = windows.find('\n', at + 2))
    windows.insert(at, "\r");
  EXPECT_EQ(without_token(windows, "b") + without_token(windows, "a"), windows);
  std::string upper = a + b;
  const Digest digest = sha256("b");
  const std::string digits = hex(digest.data(), digest.size());
  std::string capitals = digits;
  for (char& digit : capitals) digit = static_cast<char>(std::toupper(digit));
  upper.replace(upper.find(digits), digits.size(), capitals);
  EXPECT_EQ(without_token(upper, "b"), a);
}

TEST(RemoveToken, RemovesOneOfAnArray) {
  const std::string a = item("a"), b = item("b"), c = item("c");
  EXPECT_EQ(without_token("tokens = [ " + a + ", " + b + ", " + c + " ] # x\n", "a"),
            "tokens = [ " + b + ", " + c + " ] # x\n");
  EXPECT_EQ(without_token("tokens = [ " + a + ", " + b + ", " + c + " ] # x\n", "b"),
            "tokens = [ " + a + ", " + c + " ] # x\n");
  EXPECT_EQ(without_token("tokens = [ " + a + ", " + b + ", " + c + " ] # x\n", "c"),
            "tokens = [ " + a + ", " + b + " ] # x\n");
  EXPECT_EQ(without_token("tokens = [" + a + "]", "a"), "tokens = []");
  const std::string lines = "tokens = [\n  # first\n  " + a + ",  # Anna\n  " + b + "  # Bob\n  ,\n  " + c + "\n]\n";
  EXPECT_EQ(without_token(lines, "a"), "tokens = [\n  # first\n  " + b + "  # Bob\n  ,\n  " + c + "\n]\n");
  EXPECT_EQ(without_token(lines, "b"), "tokens = [\n  # first\n  " + a + ",  # Anna\n  " + c + "\n]\n");
  EXPECT_EQ(without_token(lines, "c"), "tokens = [\n  # first\n  " + a + ",  # Anna\n  " + b + "  # Bob\n  ,\n]\n");
}

TEST(RemoveToken, RefusesAndLeavesTheFileAlone) {
  EXPECT_EQ(without_token(row("a"), "b"), "not_found: the token is not there");
  EXPECT_EQ(without_token("[[tokens]]\nsha256 = 7\n", "b"), "not_found: the token is not there");
  EXPECT_EQ(without_token(row("a") + row("a"), "a"), "invalid_config: the token is there twice");
  EXPECT_EQ(without_token(row("b") + row("a") + "[tokens.x]\ny = 1\n", "a"),
            "invalid_config: accounts.toml: that row cannot be changed alone; change it by hand");
}

TEST(RemoveToken, OfTheDemoLeavesAllOthers) {
  const std::filesystem::path demo = std::filesystem::path(GEO_DEMO);
  const ReadData before = read_data(demo);
  for (const auth::Token& token : before.data.tokens) {
    const test::TempDir dir;
    std::filesystem::copy(demo, dir.path());
    ASSERT_TRUE(remove_token(dir.path() / "accounts.toml", token.sha256));
    const ReadData after = read_data(dir.path());
    EXPECT_TRUE(after.faults.empty());
    Data expected = before.data;
    std::erase(expected.tokens, token);
    EXPECT_EQ(after.data, expected);
  }
}

}  // namespace
}  // namespace geo::io
