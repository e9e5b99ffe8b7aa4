import pika

if __name__ == '__main__':
    credentials = pika.PlainCredentials('guest', 'guest')
    parameters = pika.ConnectionParameters('192.168.141.129', port=5672, virtual_host='/', credentials=credentials)
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    # 创建队列，durable设置为可持久化
    channel.queue_declare(queue='hello1', durable=True)
    msg = 'Hello World!'
    channel.basic_publish(exchange='',  # 简单模式
                          routing_key='hello1',  # 指定队列
                          body=msg,  # 消息内容
                          properties=pika.BasicProperties(
                              delivery_mode=2)  # 此数据持久化
                          )
    print('Sent %r' % msg)
