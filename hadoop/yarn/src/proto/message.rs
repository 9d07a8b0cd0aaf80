//! Requests and responses of the three protocols (package `hadoop.yarn`).

use super::application::{
    ApplicationAclMap, ApplicationReport, ApplicationSubmissionContext, ContainerLaunchContext,
    StringBytesMap,
};
use super::record::{
    ApplicationAttemptId, ApplicationId, Container, ContainerId, ContainerStatus, NmToken, NodeReport,
    PreemptionMessage, QueueInfo, Resource, ResourceRequest, SerializedException, YarnClusterMetrics,
};
use super::rpc::Token;
use prost::Message;

/// Any request or response without fields.
#[derive(Clone, PartialEq, Message)]
pub struct Empty {}

/// `GetNewApplicationResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub struct GetNewApplicationResponse {
    #[prost(message, optional, tag = "1")]
    pub application_id: Option<ApplicationId>,
    #[prost(message, optional, tag = "2")]
    pub maximum_capability: Option<Resource>,
}

/// `SubmitApplicationRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub struct SubmitApplicationRequest {
    #[prost(message, optional, tag = "1")]
    pub application_submission_context: Option<ApplicationSubmissionContext>,
}

/// `GetApplicationReportRequestProto`: of `getApplicationReport`.
#[derive(Clone, PartialEq, Message)]
pub struct ApplicationRequest {
    #[prost(message, optional, tag = "1")]
    pub application_id: Option<ApplicationId>,
}

/// `GetApplicationReportResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub struct GetApplicationReportResponse {
    #[prost(message, optional, tag = "1")]
    pub application_report: Option<ApplicationReport>,
}

/// `KillApplicationRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub struct KillApplicationRequest {
    #[prost(message, optional, tag = "1")]
    pub application_id: Option<ApplicationId>,
    #[prost(string, optional, tag = "2")]
    pub diagnostics: Option<String>,
}

/// `KillApplicationResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub struct KillApplicationResponse {
    #[prost(bool, optional, tag = "1")]
    pub is_kill_completed: Option<bool>,
}

/// `GetApplicationsRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub struct GetApplicationsRequest {
    #[prost(string, repeated, tag = "1")]
    pub application_types: Vec<String>,
    #[prost(int32, repeated, tag = "2", packed = "false")]
    pub application_states: Vec<i32>,
    #[prost(string, repeated, tag = "3")]
    pub users: Vec<String>,
}

/// `GetApplicationsResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub struct GetApplicationsResponse {
    #[prost(message, repeated, tag = "1")]
    pub applications: Vec<ApplicationReport>,
}

/// `GetClusterMetricsResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub struct GetClusterMetricsResponse {
    #[prost(message, optional, tag = "1")]
    pub cluster_metrics: Option<YarnClusterMetrics>,
}

/// `GetClusterNodesRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub struct GetClusterNodesRequest {
    #[prost(int32, repeated, tag = "1", packed = "false")]
    pub node_states: Vec<i32>,
}

/// `GetClusterNodesResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub struct GetClusterNodesResponse {
    #[prost(message, repeated, tag = "1")]
    pub node_reports: Vec<NodeReport>,
}

/// `GetQueueInfoRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub struct GetQueueInfoRequest {
    #[prost(string, optional, tag = "1")]
    pub queue_name: Option<String>,
    #[prost(bool, optional, tag = "2")]
    pub include_applications: Option<bool>,
    #[prost(bool, optional, tag = "3")]
    pub include_child_queues: Option<bool>,
    #[prost(bool, optional, tag = "4")]
    pub recursive: Option<bool>,
}

/// `GetQueueInfoResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub struct GetQueueInfoResponse {
    #[prost(message, optional, tag = "1")]
    pub queue_info: Option<QueueInfo>,
}

/// `RegisterApplicationMasterRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub struct RegisterRequest {
    #[prost(string, optional, tag = "1")]
    pub host: Option<String>,
    #[prost(int32, optional, tag = "2")]
    pub rpc_port: Option<i32>,
    #[prost(string, optional, tag = "3")]
    pub tracking_url: Option<String>,
}

/// `RegisterApplicationMasterResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub struct RegisterResponse {
    #[prost(message, optional, tag = "1")]
    pub maximum_capability: Option<Resource>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub client_to_am_token_master_key: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "3")]
    pub application_acls: Vec<ApplicationAclMap>,
    #[prost(message, repeated, tag = "4")]
    pub containers_from_previous_attempts: Vec<Container>,
    #[prost(string, optional, tag = "5")]
    pub queue: Option<String>,
    #[prost(message, repeated, tag = "6")]
    pub nm_tokens_from_previous_attempts: Vec<NmToken>,
}

/// `ResourceBlacklistRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub struct ResourceBlacklistRequest {
    #[prost(string, repeated, tag = "1")]
    pub blacklist_additions: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub blacklist_removals: Vec<String>,
}

/// `AllocateRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub struct AllocateRequest {
    #[prost(message, repeated, tag = "1")]
    pub ask: Vec<ResourceRequest>,
    #[prost(message, repeated, tag = "2")]
    pub release: Vec<ContainerId>,
    #[prost(message, optional, tag = "3")]
    pub blacklist_request: Option<ResourceBlacklistRequest>,
    #[prost(int32, optional, tag = "4")]
    pub response_id: Option<i32>,
    #[prost(float, optional, tag = "5")]
    pub progress: Option<f32>,
    #[prost(string, optional, tag = "11")]
    pub tracking_url: Option<String>,
}

/// `AllocateResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub struct AllocateResponse {
    /// 1 resync, 2 shut down.
    #[prost(int32, optional, tag = "1")]
    pub a_m_command: Option<i32>,
    #[prost(int32, optional, tag = "2")]
    pub response_id: Option<i32>,
    #[prost(message, repeated, tag = "3")]
    pub allocated_containers: Vec<Container>,
    #[prost(message, repeated, tag = "4")]
    pub completed_container_statuses: Vec<ContainerStatus>,
    #[prost(message, optional, tag = "5")]
    pub limit: Option<Resource>,
    #[prost(message, repeated, tag = "6")]
    pub updated_nodes: Vec<NodeReport>,
    #[prost(int32, optional, tag = "7")]
    pub num_cluster_nodes: Option<i32>,
    #[prost(message, optional, tag = "8")]
    pub preempt: Option<PreemptionMessage>,
    #[prost(message, repeated, tag = "9")]
    pub nm_tokens: Vec<NmToken>,
    #[prost(message, optional, tag = "12")]
    pub am_rm_token: Option<Token>,
    #[prost(message, repeated, tag = "17")]
    pub containers_from_previous_attempts: Vec<Container>,
}

/// `FinishApplicationMasterRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub struct FinishRequest {
    #[prost(string, optional, tag = "1")]
    pub diagnostics: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub tracking_url: Option<String>,
    #[prost(int32, optional, tag = "3")]
    pub final_application_status: Option<i32>,
}

/// `FinishApplicationMasterResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub struct FinishResponse {
    #[prost(bool, optional, tag = "1")]
    pub is_unregistered: Option<bool>,
}

/// `StartContainerRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub struct StartContainerRequest {
    #[prost(message, optional, tag = "1")]
    pub container_launch_context: Option<ContainerLaunchContext>,
    #[prost(message, optional, tag = "2")]
    pub container_token: Option<Token>,
}

/// `StartContainersRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub struct StartContainersRequest {
    #[prost(message, repeated, tag = "1")]
    pub start_container_request: Vec<StartContainerRequest>,
}

/// `StartContainersResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub struct StartContainersResponse {
    #[prost(message, repeated, tag = "1")]
    pub services_meta_data: Vec<StringBytesMap>,
    #[prost(message, repeated, tag = "2")]
    pub succeeded_requests: Vec<ContainerId>,
    #[prost(message, repeated, tag = "3")]
    pub failed_requests: Vec<ContainerException>,
}

/// `ContainerExceptionMapProto`: why a container could not be started, stopped or asked about.
#[derive(Clone, PartialEq, Message)]
pub struct ContainerException {
    #[prost(message, optional, tag = "1")]
    pub container_id: Option<ContainerId>,
    #[prost(message, optional, tag = "2")]
    pub exception: Option<SerializedException>,
}

/// `StopContainersRequestProto`: of `stopContainers` and `getContainerStatuses`.
#[derive(Clone, PartialEq, Message)]
pub struct ContainersRequest {
    #[prost(message, repeated, tag = "1")]
    pub container_id: Vec<ContainerId>,
}

/// `StopContainersResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub struct StopContainersResponse {
    #[prost(message, repeated, tag = "1")]
    pub succeeded_requests: Vec<ContainerId>,
    #[prost(message, repeated, tag = "2")]
    pub failed_requests: Vec<ContainerException>,
}

/// `GetContainerStatusesResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub struct GetContainerStatusesResponse {
    #[prost(message, repeated, tag = "1")]
    pub status: Vec<ContainerStatus>,
    #[prost(message, repeated, tag = "2")]
    pub failed_requests: Vec<ContainerException>,
}

/// `AMRMTokenIdentifierProto`: the identifier of the token of an application master.
#[derive(Clone, PartialEq, Message)]
pub struct AmRmTokenIdentifier {
    #[prost(message, optional, tag = "1")]
    pub app_attempt_id: Option<ApplicationAttemptId>,
    #[prost(int32, optional, tag = "2")]
    pub key_id: Option<i32>,
}
