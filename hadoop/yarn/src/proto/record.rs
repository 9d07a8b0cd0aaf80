//! The records of YARN: ids, resources, containers, reports (package `hadoop.yarn`). Values of enumerations stay numbers, so that
//! one that is not known is data and no failure.

use super::rpc::Token;
use prost::Message;

/// `ApplicationIdProto`.
#[derive(Clone, PartialEq, Message)]
pub struct ApplicationId {
    #[prost(int32, optional, tag = "1")]
    pub id: Option<i32>,
    #[prost(int64, optional, tag = "2")]
    pub cluster_timestamp: Option<i64>,
}

/// `ApplicationAttemptIdProto`.
#[derive(Clone, PartialEq, Message)]
pub struct ApplicationAttemptId {
    #[prost(message, optional, tag = "1")]
    pub application_id: Option<ApplicationId>,
    #[prost(int32, optional, tag = "2")]
    pub attempt_id: Option<i32>,
}

/// `ContainerIdProto`.
#[derive(Clone, PartialEq, Message)]
pub struct ContainerId {
    #[prost(message, optional, tag = "1")]
    pub app_id: Option<ApplicationId>,
    #[prost(message, optional, tag = "2")]
    pub app_attempt_id: Option<ApplicationAttemptId>,
    #[prost(int64, optional, tag = "3")]
    pub id: Option<i64>,
}

/// `NodeIdProto`.
#[derive(Clone, PartialEq, Message)]
pub struct NodeId {
    #[prost(string, optional, tag = "1")]
    pub host: Option<String>,
    #[prost(int32, optional, tag = "2")]
    pub port: Option<i32>,
}

/// `PriorityProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Priority {
    #[prost(int32, optional, tag = "1")]
    pub priority: Option<i32>,
}

/// `ResourceProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Resource {
    /// MB.
    #[prost(int64, optional, tag = "1")]
    pub memory: Option<i64>,
    #[prost(int32, optional, tag = "2")]
    pub virtual_cores: Option<i32>,
}

/// `ResourceRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub struct ResourceRequest {
    #[prost(message, optional, tag = "1")]
    pub priority: Option<Priority>,
    /// A host, a rack, or `*`.
    #[prost(string, optional, tag = "2")]
    pub resource_name: Option<String>,
    #[prost(message, optional, tag = "3")]
    pub capability: Option<Resource>,
    #[prost(int32, optional, tag = "4")]
    pub num_containers: Option<i32>,
    #[prost(bool, optional, tag = "5")]
    pub relax_locality: Option<bool>,
    #[prost(string, optional, tag = "6")]
    pub node_label_expression: Option<String>,
    #[prost(int64, optional, tag = "8")]
    pub allocation_request_id: Option<i64>,
}

/// `ContainerProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Container {
    #[prost(message, optional, tag = "1")]
    pub id: Option<ContainerId>,
    #[prost(message, optional, tag = "2")]
    pub node_id: Option<NodeId>,
    #[prost(string, optional, tag = "3")]
    pub node_http_address: Option<String>,
    #[prost(message, optional, tag = "4")]
    pub resource: Option<Resource>,
    #[prost(message, optional, tag = "5")]
    pub priority: Option<Priority>,
    #[prost(message, optional, tag = "6")]
    pub container_token: Option<Token>,
    #[prost(int32, optional, tag = "7")]
    pub execution_type: Option<i32>,
    #[prost(int64, optional, tag = "8")]
    pub allocation_request_id: Option<i64>,
    #[prost(int32, optional, tag = "9")]
    pub version: Option<i32>,
}

/// `ContainerStatusProto`.
#[derive(Clone, PartialEq, Message)]
pub struct ContainerStatus {
    #[prost(message, optional, tag = "1")]
    pub container_id: Option<ContainerId>,
    /// 1 new, 2 running, 3 complete.
    #[prost(int32, optional, tag = "2")]
    pub state: Option<i32>,
    #[prost(string, optional, tag = "3")]
    pub diagnostics: Option<String>,
    #[prost(int32, optional, tag = "4")]
    pub exit_status: Option<i32>,
}

/// `NMTokenProto`.
#[derive(Clone, PartialEq, Message)]
pub struct NmToken {
    #[prost(message, optional, tag = "1")]
    pub node_id: Option<NodeId>,
    #[prost(message, optional, tag = "2")]
    pub token: Option<Token>,
}

/// `PreemptionContainerProto`.
#[derive(Clone, PartialEq, Message)]
pub struct PreemptionContainer {
    #[prost(message, optional, tag = "1")]
    pub id: Option<ContainerId>,
}

/// `StrictPreemptionContractProto`.
#[derive(Clone, PartialEq, Message)]
pub struct StrictPreemptionContract {
    #[prost(message, repeated, tag = "1")]
    pub container: Vec<PreemptionContainer>,
}

/// `PreemptionResourceRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub struct PreemptionResourceRequest {
    #[prost(message, optional, tag = "1")]
    pub resource: Option<ResourceRequest>,
}

/// `PreemptionContractProto`.
#[derive(Clone, PartialEq, Message)]
pub struct PreemptionContract {
    #[prost(message, repeated, tag = "1")]
    pub resource: Vec<PreemptionResourceRequest>,
    #[prost(message, repeated, tag = "2")]
    pub container: Vec<PreemptionContainer>,
}

/// `PreemptionMessageProto`.
#[derive(Clone, PartialEq, Message)]
pub struct PreemptionMessage {
    #[prost(message, optional, tag = "1")]
    pub strict_contract: Option<StrictPreemptionContract>,
    #[prost(message, optional, tag = "2")]
    pub contract: Option<PreemptionContract>,
}

/// `NodeReportProto`.
#[derive(Clone, PartialEq, Message)]
pub struct NodeReport {
    #[prost(message, optional, tag = "1")]
    pub node_id: Option<NodeId>,
    #[prost(string, optional, tag = "2")]
    pub http_address: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub rack_name: Option<String>,
    #[prost(message, optional, tag = "4")]
    pub used: Option<Resource>,
    #[prost(message, optional, tag = "5")]
    pub capability: Option<Resource>,
    #[prost(int32, optional, tag = "6")]
    pub num_containers: Option<i32>,
    #[prost(int32, optional, tag = "7")]
    pub node_state: Option<i32>,
    #[prost(string, optional, tag = "8")]
    pub health_report: Option<String>,
    #[prost(int64, optional, tag = "9")]
    pub last_health_report_time: Option<i64>,
    #[prost(uint32, optional, tag = "13")]
    pub decommissioning_timeout: Option<u32>,
}

/// `YarnClusterMetricsProto`.
#[derive(Clone, PartialEq, Message)]
pub struct YarnClusterMetrics {
    #[prost(int32, optional, tag = "1")]
    pub num_node_managers: Option<i32>,
    #[prost(int32, optional, tag = "2")]
    pub num_decommissioned_nms: Option<i32>,
    #[prost(int32, optional, tag = "3")]
    pub num_active_nms: Option<i32>,
    #[prost(int32, optional, tag = "4")]
    pub num_lost_nms: Option<i32>,
    #[prost(int32, optional, tag = "5")]
    pub num_unhealthy_nms: Option<i32>,
    #[prost(int32, optional, tag = "6")]
    pub num_rebooted_nms: Option<i32>,
}

/// `QueueInfoProto`.
#[derive(Clone, PartialEq, Message)]
pub struct QueueInfo {
    #[prost(string, optional, tag = "1")]
    pub queue_name: Option<String>,
    /// Of the parent's, 0 to 1.
    #[prost(float, optional, tag = "2")]
    pub capacity: Option<f32>,
    #[prost(float, optional, tag = "3")]
    pub maximum_capacity: Option<f32>,
    /// What is used of the capacity.
    #[prost(float, optional, tag = "4")]
    pub current_capacity: Option<f32>,
    /// 1 stopped, 2 running, 3 draining.
    #[prost(int32, optional, tag = "5")]
    pub state: Option<i32>,
    #[prost(message, repeated, tag = "6")]
    pub child_queues: Vec<QueueInfo>,
}

/// `SerializedExceptionProto`.
#[derive(Clone, PartialEq, Message)]
pub struct SerializedException {
    #[prost(string, optional, tag = "1")]
    pub message: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub trace: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub class_name: Option<String>,
}
