// The way back to JavaScript: engine threads post work to it, and it holds the promises that are open.
#pragma once

#include <napi.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/job.h"

namespace ggml_transformers {

class Dispatcher {
 public:
    using Work = std::function<void(Napi::Env, Dispatcher&)>;
    using TaskId = uint64_t;

    template <class T>
    using ToValue = std::function<Napi::Value(Napi::Env, const T&, const Napi::Object& held)>;

    explicit Dispatcher(Napi::Env env);
    ~Dispatcher();
    Dispatcher(const Dispatcher&) = delete;
    Dispatcher& operator=(const Dispatcher&) = delete;

    // From any thread. Dropped once the environment has ended.
    void post(Work work);

    // The rest belongs to the JavaScript thread.

    // Opens a promise. While one is open the process stays alive. `on_event` may be empty.
    TaskId open(Napi::Env env, const Napi::Function& on_event);
    // { promise, cancel } for JavaScript. `cancel` is called at most while the task is open.
    Napi::Object task_object(Napi::Env env, TaskId id, std::function<void()> cancel);
    void resolve(Napi::Env env, TaskId id, const std::function<Napi::Value(Napi::Env)>& make_value);
    void reject(Napi::Env env, TaskId id, const Error& error);
    // Calls the task's `on_event`. If that throws, the task is cancelled and rejected with what was thrown.
    void event(Napi::Env env, TaskId id, const std::vector<double>& arguments);
    // Keeps a value until the task ends: memory that an engine writes to. Not for tasks with `on_event`,
    // which an exception ends while their engine still works.
    void hold(TaskId id, const Napi::Object& value);
    // A task that rests does not keep the process alive; one that is cancelled does until it has ended.
    // Nothing happens for one that has.
    void rest(Napi::Env env, TaskId id, bool rests);
    // Closes a task whose promise nobody has seen.
    void forget(Napi::Env env, TaskId id);

    // The environment ends: no more work is run, open promises stay open for ever.
    void close();

    // A completion that settles the task. `to_value` is given what the task holds.
    template <class T>
    static Completion<T> settle(const std::shared_ptr<Dispatcher>& self, TaskId id, ToValue<T> to_value) {
        return Completion<T>([self, id, to_value = std::move(to_value)](Outcome<T> outcome) {
            auto shared = std::make_shared<Outcome<T>>(std::move(outcome));
            self->post([id, shared, to_value](Napi::Env env, Dispatcher& dispatcher) {
                if (const auto* error = std::get_if<Error>(shared.get())) {
                    dispatcher.reject(env, id, *error);
                } else {
                    const Napi::Object held = dispatcher.held(id);
                    dispatcher.resolve(env, id,
                                       [&](Napi::Env e) { return to_value(e, std::get<T>(*shared), held); });
                }
            });
        });
    }

 private:
    struct Task {
        Napi::Promise::Deferred deferred;
        Napi::FunctionReference on_event;
        std::function<void()> cancel;
        Napi::ObjectReference held;
        bool rests = false;
        bool cancelled = false;
    };

    static void call_js(napi_env env, napi_value, void* context, void*);
    void drain(Napi::Env env);
    void erase(Napi::Env env, TaskId id);
    void count_awake(Napi::Env env, int change);
    Task* find(TaskId id);
    Napi::Object held(TaskId id);

    std::mutex mutex_;
    std::deque<Work> queue_;                       // guarded by mutex_
    napi_threadsafe_function function_ = nullptr;  // guarded by mutex_; null once closed
    std::unordered_map<TaskId, Task> tasks_;
    int awake_ = 0;  // tasks that do not rest
    TaskId next_id_ = 1;
};

}  // namespace ggml_transformers
