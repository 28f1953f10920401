// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "control/api/client.h"

namespace culvert {
namespace {

using testing::HasSubstr;

class ApiServerTest : public testing::Test {
 protected:
  ApiServerTest() : folder_(make_folder()), server_(loop_, folder_ / "api.sock", "") {
    server_.add_view("echo", [](const Json& request) -> Result<Json> { return request; });
    server_.add_view("broken", [](const Json&) -> Result<Json> {
      return Error{EINVAL, "no such thing"};
    });
    server_.add_view("pages", [](const Json& request) -> Result<Json> {
      const int from = request.value("from", 0);
      return Json{{"list", {from}}, {"next", from < 3 ? Json(from + 1) : Json()}};
    });
    server_.add_view("large", [](const Json&) -> Result<Json> {
      return Json{{"text", std::string(8 << 20, 'x')}};
    });
    server_.add_body_view("twice", [](const Json& request, std::span<const std::byte> body) {
      const std::string text(reinterpret_cast<const char*>(body.data()), body.size());
      return Result<ApiServer::Reply>(ApiServer::Reply{request, text + text});
    });
    EXPECT_TRUE(server_.open().has_value());
  }
  ~ApiServerTest() override { std::filesystem::remove_all(folder_); }

  // Runs `function` as a client while the loop serves it.
  void as_client(const std::function<void(ApiClient&)>& function) {
    std::thread thread([&] {
      auto client = ApiClient::connect_at(folder_ / "api.sock", "test");
      EXPECT_TRUE(client.has_value());
      if (client) function(*client);
      is_done_ = true;
    });
    while (!is_done_) loop_.run_once(std::chrono::milliseconds{5});
    thread.join();
  }

  static std::filesystem::path make_folder() {
    std::string pattern = testing::TempDir() + "culvert-api-XXXXXX";
    return mkdtemp(pattern.data());
  }

  EventLoop loop_;
  std::filesystem::path folder_;
  ApiServer server_;
  std::atomic<bool> is_done_{false};
};

TEST_F(ApiServerTest, TellsAViewWhoAsks) {
  server_.add_peer_view("who", [](const Json&, ApiServer::Peer peer) -> Result<Json> {
    return Json{{"is_owner", peer == ApiServer::Peer::owner}};
  });
  as_client([](ApiClient& client) {
    const auto data = client.ask("who");
    ASSERT_TRUE(data.has_value());
    EXPECT_TRUE(data->value("is_owner", false));
  });
  EXPECT_THAT(server_.answer(R"({"version":1,"view":"who"})", ApiServer::Peer::member),
              HasSubstr(R"("is_owner":false)"));
}

TEST_F(ApiServerTest, AnswersAView) {
  as_client([](ApiClient& client) {
    const auto data = client.ask("echo", {{"from", 7}});
    ASSERT_TRUE(data.has_value());
    EXPECT_EQ((*data)["from"], 7);
  });
}

TEST_F(ApiServerTest, PassesAViewsErrorOn) {
  as_client([](ApiClient& client) {
    const auto data = client.ask("broken");
    ASSERT_FALSE(data.has_value());
    EXPECT_EQ(data.error().message, "no such thing");
  });
}

TEST_F(ApiServerTest, JoinsPages) {
  as_client([](ApiClient& client) {
    const auto data = client.ask_all("pages", "list");
    ASSERT_TRUE(data.has_value());
    EXPECT_EQ((*data)["list"], Json({0, 1, 2, 3}));
  });
}

TEST_F(ApiServerTest, SendsAnswersLargerThanTheSocketsBuffer) {
  as_client([](ApiClient& client) {
    const auto data = client.ask("large");
    ASSERT_TRUE(data.has_value());
    EXPECT_EQ((*data)["text"].get<std::string>().size(), 8u << 20);
  });
}

TEST_F(ApiServerTest, AnswersAClientThatASignalInterrupts) {
  std::atomic<pthread_t> client_thread{};
  server_.add_view("interrupting", [&](const Json&) -> Result<Json> {
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
    pthread_kill(client_thread, SIGUSR1);
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
    return Json{{"is_done", true}};
  });
  signal(SIGUSR1, [](int) {});
  as_client([&](ApiClient& client) {
    client_thread = pthread_self();
    const auto data = client.ask("interrupting");
    ASSERT_TRUE(data) << data.error().message;
    EXPECT_TRUE(data->value("is_done", false));
  });
  signal(SIGUSR1, SIG_DFL);
}

TEST_F(ApiServerTest, NoAnswerThatComesTooLateIsTakenForTheNextOne) {
  server_.add_view("slow", [](const Json&) -> Result<Json> {
    std::this_thread::sleep_for(std::chrono::milliseconds{1500});
    return Json{{"is_slow", true}};
  });
  as_client([](ApiClient& client) {
    client.set_patience(std::chrono::seconds{1});
    EXPECT_FALSE(client.ask("slow"));
    EXPECT_FALSE(client.ask("echo"));
  });
}

TEST_F(ApiServerTest, CarriesBytesBehindTheLines) {
  const std::string sent = std::string(1 << 20, 'x') + "\n{\n";
  as_client([&sent](ApiClient& client) {
    for (int i = 0; i < 3; ++i) {
      const auto answer = client.exchange("twice", {{"number", i}}, std::as_bytes(std::span(sent)));
      ASSERT_TRUE(answer.has_value()) << answer.error().message;
      EXPECT_EQ(answer->data["number"], i);
      EXPECT_EQ(answer->body, sent + sent);
      EXPECT_TRUE(client.ask("echo").has_value());
    }
  });
}

TEST_F(ApiServerTest, RefusesBytesWhereNoneBelong) {
  as_client([](ApiClient& client) {
    const auto answer = client.exchange("echo", Json::object(), std::as_bytes(std::span("abc")));
    ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error().message, "view \"echo\": takes no body");
    EXPECT_TRUE(client.ask("echo").has_value());
  });
}

TEST_F(ApiServerTest, RefusesMoreBytesThanFit) {
  as_client([](ApiClient& client) {
    const auto answer = client.exchange("twice", {{"body_bytes", kLongestApiBodyBytes + 1}});
    ASSERT_FALSE(answer.has_value());
    EXPECT_THAT(answer.error().message, HasSubstr("must be a number, at most 16777216"));
    EXPECT_FALSE(client.ask("echo").has_value());
  });
}

TEST_F(ApiServerTest, SaysWhatIsWrongWithARequest) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "one JSON object"},
      {"[1]", "one JSON object"},
      {"{\"version\":1", "one JSON object"},
      {"{}", "version missing: this culvert-control speaks 1"},
      {"{\"version\":2,\"view\":\"echo\"}", "version 2: this culvert-control speaks 1"},
      {"{\"version\":1}", "\\\"view\\\" is missing"},
      {"{\"version\":1,\"view\":5}", "\\\"view\\\" is missing"},
      {"{\"version\":1,\"view\":\"sas\"}", "there are broken, echo, large, pages, twice"},
  };
  for (const auto& [request, answer] : cases) {
    EXPECT_THAT(server_.answer(request), HasSubstr(answer)) << request;
    EXPECT_THAT(server_.answer(request), HasSubstr("\"ok\":false")) << request;
  }
}

TEST(ApiClient, SaysThatNothingIsRunning) {
  const auto client = ApiClient::connect_at("/nonexistent/api.sock", "west");
  ASSERT_FALSE(client.has_value());
  EXPECT_EQ(client.error().code, ECONNREFUSED);
  EXPECT_THAT(client.error().message, HasSubstr("instance \"west\" is not running"));
}

}  // namespace
}  // namespace culvert
