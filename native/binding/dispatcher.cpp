#include "binding/dispatcher.h"

#include "binding/errors.h"

namespace ggml_transformers {

namespace {

// How many posts are run before other events of the loop get a turn.
constexpr int posts_per_turn = 64;

}  // namespace

Dispatcher::Dispatcher(Napi::Env env) {
    const napi_status status =
        napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "ggml-transformers"), 0,
                                        1, nullptr, nullptr, this, call_js, &function_);
    if (status != napi_ok) throw Error(ErrorCode::Internal, "Node refused a thread-safe function");
    napi_unref_threadsafe_function(env, function_);
}

Dispatcher::~Dispatcher() { close(); }

void Dispatcher::post(Work work) {
    const std::lock_guard lock(mutex_);
    if (function_ == nullptr) return;
    queue_.push_back(std::move(work));
    if (queue_.size() == 1) napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
}

void Dispatcher::call_js(napi_env env, napi_value, void* context, void*) {
    if (env == nullptr) return;  // the environment is ending
    static_cast<Dispatcher*>(context)->drain(Napi::Env(env));
}

void Dispatcher::drain(Napi::Env env) {
    for (int i = 0; i < posts_per_turn; ++i) {
        Work work;
        {
            const std::lock_guard lock(mutex_);
            if (queue_.empty()) return;
            work = std::move(queue_.front());
            // The front keeps its place until the queue is known to be empty or another call is made: `post`
            // makes one only when it finds the queue empty.
            queue_.front() = nullptr;
        }
        const Napi::HandleScope scope(env);
        if (work) work(env, *this);
        const std::lock_guard lock(mutex_);
        if (!queue_.empty()) queue_.pop_front();
    }
    const std::lock_guard lock(mutex_);
    if (!queue_.empty() && function_ != nullptr) {
        napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
    }
}

void Dispatcher::close() {
    napi_threadsafe_function function = nullptr;
    std::deque<Work> dropped;
    {
        const std::lock_guard lock(mutex_);
        std::swap(function, function_);
        dropped.swap(queue_);
    }
    if (function != nullptr) napi_release_threadsafe_function(function, napi_tsfn_abort);
    tasks_.clear();
}

Dispatcher::TaskId Dispatcher::open(Napi::Env env, const Napi::Function& on_event) {
    if (function_ == nullptr) throw Error(ErrorCode::Disposed, "The environment is ending");
    const TaskId id = next_id_++;
    Task task{Napi::Promise::Deferred::New(env), Napi::FunctionReference(), nullptr, Napi::ObjectReference()};
    if (!on_event.IsEmpty()) task.on_event = Napi::Persistent(on_event);
    tasks_.emplace(id, std::move(task));
    count_awake(env, 1);
    return id;
}

Napi::Object Dispatcher::task_object(Napi::Env env, TaskId id, std::function<void()> cancel) {
    Task* task = find(id);
    Napi::Object object = Napi::Object::New(env);
    object.Set("promise", task->deferred.Promise());
    task->cancel = std::move(cancel);
    object.Set("cancel", Napi::Function::New(env, [this, id](const Napi::CallbackInfo& call) {
                   Task* open_task = find(id);
                   if (open_task == nullptr) return;
                   // Its end is waited for, also where the engine tells only now that it has paused.
                   rest(call.Env(), id, false);
                   open_task->cancelled = true;
                   if (open_task->cancel) open_task->cancel();
               }));
    return object;
}

void Dispatcher::resolve(Napi::Env env, TaskId id, const std::function<Napi::Value(Napi::Env)>& make_value) {
    Task* task = find(id);
    if (task == nullptr) return;
    const Napi::Value value = make_value(env);
    if (env.IsExceptionPending()) {
        task->deferred.Reject(env.GetAndClearPendingException().Value());
    } else {
        task->deferred.Resolve(value);
    }
    erase(env, id);
}

void Dispatcher::reject(Napi::Env env, TaskId id, const Error& error) {
    Task* task = find(id);
    if (task == nullptr) return;
    task->deferred.Reject(to_js(env, error).Value());
    erase(env, id);
}

void Dispatcher::event(Napi::Env env, TaskId id, const std::vector<double>& arguments) {
    Task* task = find(id);
    if (task == nullptr || task->on_event.IsEmpty()) return;
    std::vector<napi_value> values;
    for (const double argument : arguments) values.push_back(Napi::Number::New(env, argument));
    task->on_event.Call(values);
    if (!env.IsExceptionPending()) return;
    const Napi::Error thrown = env.GetAndClearPendingException();
    task = find(id);  // the callback may have changed the table
    if (task == nullptr) return;
    if (task->cancel) task->cancel();
    task->deferred.Reject(thrown.Value());
    erase(env, id);
}

void Dispatcher::hold(TaskId id, const Napi::Object& value) {
    if (Task* task = find(id)) task->held = Napi::Persistent(value);
}

Napi::Object Dispatcher::held(TaskId id) {
    const Task* task = find(id);
    return task == nullptr || task->held.IsEmpty() ? Napi::Object() : task->held.Value();
}

void Dispatcher::forget(Napi::Env env, TaskId id) { erase(env, id); }

void Dispatcher::rest(Napi::Env env, TaskId id, bool rests) {
    Task* task = find(id);
    if (task == nullptr || task->rests == rests || (rests && task->cancelled)) return;
    task->rests = rests;
    count_awake(env, rests ? -1 : 1);
}

void Dispatcher::erase(Napi::Env env, TaskId id) {
    const Task* task = find(id);
    if (task == nullptr) return;
    const bool rested = task->rests;
    tasks_.erase(id);
    if (!rested) count_awake(env, -1);
}

void Dispatcher::count_awake(Napi::Env env, int change) {
    const bool before = awake_ > 0;
    awake_ += change;
    const bool after = awake_ > 0;
    if (before == after || function_ == nullptr) return;
    if (after) {
        napi_ref_threadsafe_function(env, function_);
    } else {
        napi_unref_threadsafe_function(env, function_);
    }
}

Dispatcher::Task* Dispatcher::find(TaskId id) {
    const auto found = tasks_.find(id);
    return found == tasks_.end() ? nullptr : &found->second;
}

}  // namespace ggml_transformers
